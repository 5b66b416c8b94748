// The table of options: names, ranges, defaults.
#include <whimbrel/config.h>

#include <algorithm>
#include <array>

namespace whimbrel {

namespace {

constexpr std::int64_t kBytesMax = 268435456;
constexpr std::int64_t kBufferDefault = 524288;
constexpr bool kEach = true;  // can be set for one session
constexpr bool kAll = false;  // for the whole instance only

// By ascending number.
constexpr std::array kOptions = {
    OptionInfo{Option::kFakePacketLossSend, "FakePacketLossSend", 0, 100, 0, kAll, "percent"},
    OptionInfo{Option::kFakePacketLossRecv, "FakePacketLossRecv", 0, 100, 0, kAll, "percent"},
    OptionInfo{Option::kFakePacketLagSend, "FakePacketLagSend", 0, 5000, 0, kAll, "ms"},
    OptionInfo{Option::kFakePacketLagRecv, "FakePacketLagRecv", 0, 5000, 0, kAll, "ms"},
    OptionInfo{Option::kFakePacketReorderSend, "FakePacketReorderSend", 0, 100, 0, kAll, "percent"},
    OptionInfo{Option::kFakePacketReorderRecv, "FakePacketReorderRecv", 0, 100, 0, kAll, "percent"},
    OptionInfo{Option::kFakePacketReorderTime, "FakePacketReorderTime", 0, 5000, 15, kAll, "ms"},
    OptionInfo{Option::kSendBufferSize, "SendBufferSize", 4096, kBytesMax, kBufferDefault, kEach,
               "bytes"},
    OptionInfo{Option::kSendRateMin, "SendRateMin", 0, 10'000'000'000, 0, kEach, "bytes/s"},
    OptionInfo{Option::kSendRateMax, "SendRateMax", 0, 10'000'000'000, 0, kEach, "bytes/s"},
    OptionInfo{Option::kNagleTime, "NagleTime", 0, 5000, 5000, kEach, "us"},
    OptionInfo{Option::kAllowWithoutAuth, "AllowWithoutAuth", 0, 2, 1, kAll, ""},
    OptionInfo{Option::kTimeoutInitial, "TimeoutInitial", 100, 600000, 10000, kEach, "ms"},
    OptionInfo{Option::kTimeoutConnected, "TimeoutConnected", 100, 600000, 10000, kEach, "ms"},
    OptionInfo{Option::kFakePacketDupSend, "FakePacketDupSend", 0, 100, 0, kAll, "percent"},
    OptionInfo{Option::kFakePacketDupRecv, "FakePacketDupRecv", 0, 100, 0, kAll, "percent"},
    OptionInfo{Option::kFakePacketDupTimeMax, "FakePacketDupTimeMax", 0, 5000, 10, kAll, "ms"},
    OptionInfo{Option::kMtuPacketSize, "MtuPacketSize", 1200, 65000, 1472, kEach, "bytes"},
    OptionInfo{Option::kFakeRateLimitSend, "FakeRateLimitSend", 0, 10'000'000'000, 0, kAll,
               "bytes/s"},
    OptionInfo{Option::kFakeRateLimitRecv, "FakeRateLimitRecv", 0, 10'000'000'000, 0, kAll,
               "bytes/s"},
    OptionInfo{Option::kRecvBufferSize, "RecvBufferSize", 540672, kBytesMax, 1048576, kEach,
               "bytes"},
    OptionInfo{Option::kRecvBufferMessages, "RecvBufferMessages", 1, 1000000, 1000, kEach,
               "messages"},
    OptionInfo{Option::kIdleTimeout, "IdleTimeout", 1000, 86400000, 180000, kEach, "ms"},
    OptionInfo{Option::kLingerTime, "LingerTime", 0, 60000, 1000, kEach, "ms"},
    OptionInfo{Option::kKeepAlive, "KeepAlive", 1000, 600000, 15000, kEach, "ms"},
    OptionInfo{Option::kPendingRequestsMax, "PendingRequestsMax", 1, 65536, 256, kAll, "requests"},
    OptionInfo{Option::kSessionsMax, "SessionsMax", 1, 1000000, 100000, kAll, "sessions"},
    OptionInfo{Option::kUnreliableAgeMax, "UnreliableAgeMax", 0, 60000, 500, kEach, "ms"},
};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal_but_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

std::span<const OptionInfo> all_options() { return kOptions; }

const OptionInfo* find_option(std::string_view name) {
  const auto it = std::find_if(kOptions.begin(), kOptions.end(), [&](const OptionInfo& info) {
    return equal_but_case(info.name, name);
  });
  return it == kOptions.end() ? nullptr : &*it;
}

}  // namespace whimbrel
