#include "sim/voice_beside_bulk.h"

#include <whimbrel/send_flags.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "sim/world.h"

namespace whimbrel::sim {

namespace {

constexpr ChannelId kBulk = 0, kVoice = 1;
constexpr std::size_t kVoiceBytes = 100;
constexpr Duration kVoiceInterval = microseconds(16667);
constexpr Duration kWarmUp = seconds(5);
constexpr Duration kMeasured = seconds(10);

class Voice {
 public:
  Voice(const LinkConfig& line, std::uint64_t seed)
      : world_(seed), from_(world_.add("str:alice")), to_(world_.add("str:bob")) {
    world_.introduce(from_, to_, true);
    world_.simulation().downlink(to_.id()).config() = line;
    world_.simulation().uplink(to_.id()).config().delay = line.delay;
    from_.checked = to_.checked = false;
    to_.on_message = [this](const InboxMessage& message) { take(message); };
    from_.send(to_.identity(), "hello");
    world_.run_for(seconds(1));
  }

  void start_bulk() {
    while (from_.send(to_.identity(), bulk_, kSendReliable, kBulk) == Result::kOk) continue;
    world_.simulation().after(milliseconds(1), [this] { start_bulk(); });
  }
  VoiceResult measure() {
    world_.run_for(kWarmUp);
    bulk_bytes_ = 0;
    for (Duration at{}; at < kMeasured; at += kVoiceInterval) {
      say();
      world_.run_for(kVoiceInterval);
    }
    result_.bulk_bytes_per_s = static_cast<double>(bulk_bytes_) / to_seconds(kMeasured);
    world_.run_for(seconds(1));
    std::sort(late_ms_.begin(), late_ms_.end());
    result_.arrived = late_ms_.size();
    if (late_ms_.empty()) return result_;
    result_.p50_ms = late_ms_[late_ms_.size() / 2];
    result_.p99_ms = late_ms_[late_ms_.size() * 99 / 100];
    return result_;
  }

 private:
  void say() {
    std::array<std::uint8_t, kVoiceBytes> payload{};
    const std::int64_t now = world_.now().time_since_epoch().count();
    std::memcpy(payload.data(), &now, sizeof now);
    ++result_.sent;
    const Result result = from_.send(to_.identity(), payload, kSendNoDelay | kSendNoNagle, kVoice);
    if (result == Result::kIgnored) ++result_.ignored;
  }
  void take(const InboxMessage& message) {
    if (message.message.channel == kBulk) bulk_bytes_ += message.message.payload.size();
    if (message.message.channel != kVoice) return;
    std::int64_t sent = 0;
    std::memcpy(&sent, message.message.payload.data(), sizeof sent);
    const Duration late = world_.now().time_since_epoch() - Duration(sent);
    late_ms_.push_back(to_seconds(late) * 1e3);
  }

  World world_;
  Host& from_;
  Host& to_;
  std::vector<std::uint8_t> bulk_ = std::vector<std::uint8_t>(60'000, 0x5a);
  std::uint64_t bulk_bytes_ = 0;
  std::vector<double> late_ms_;
  VoiceResult result_;
};

}  // namespace

VoiceResult run_voice(const LinkConfig& line, bool beside_bulk, std::uint64_t seed) {
  Voice voice(line, seed);
  if (beside_bulk) voice.start_bulk();
  return voice.measure();
}

}  // namespace whimbrel::sim
