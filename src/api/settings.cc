#include "api/settings.h"

#include <algorithm>

namespace whimbrel {

namespace {

const OptionInfo* info_of(Option option) {
  const auto options = all_options();
  const auto it = std::find_if(options.begin(), options.end(),
                               [&](const OptionInfo& info) { return info.option == option; });
  return it == options.end() ? nullptr : &*it;
}

}  // namespace

std::optional<std::string> check_option(Option option, std::int64_t value) {
  const OptionInfo* info = info_of(option);
  if (info == nullptr) return "there is no option " + std::to_string(static_cast<int>(option));
  if (value >= info->min && value <= info->max) return std::nullopt;
  std::string text = std::string(info->name) + " must be " + std::to_string(info->min) + " to " +
                     std::to_string(info->max);
  if (!info->unit.empty()) text += " " + std::string(info->unit);
  return text + ", not " + std::to_string(value);
}

Settings::Settings() {
  for (const OptionInfo& info : all_options()) {
    values_[static_cast<int>(info.option)] = info.default_value;
  }
}

void Settings::set(Option option, std::int64_t value) {
  values_[static_cast<int>(option)] = value;
  chosen_[static_cast<int>(option)] = value;
}

bool Settings::set_for(const Identity& user, Option option, std::int64_t value) {
  if (user_values_.size() >= kUsersMax && !user_values_.contains(user)) return false;
  user_values_[user][static_cast<int>(option)] = value;
  return true;
}

std::int64_t Settings::get(Option option) const { return values_.at(static_cast<int>(option)); }

bool Settings::is_set(Option option) const { return chosen_.contains(static_cast<int>(option)); }

SessionOptions Settings::make_session_options(const Values& values) {
  const auto get = [&](Option option) { return values.at(static_cast<int>(option)); };
  const auto count = [&](Option option) { return static_cast<std::uint64_t>(get(option)); };
  SessionOptions options;
  options.timeout_initial = milliseconds(get(Option::kTimeoutInitial));
  options.timeout_connected = milliseconds(get(Option::kTimeoutConnected));
  options.idle_timeout = milliseconds(get(Option::kIdleTimeout));
  options.linger = milliseconds(get(Option::kLingerTime));
  options.keep_alive = milliseconds(get(Option::kKeepAlive));
  options.unreliable_age_max = milliseconds(get(Option::kUnreliableAgeMax));
  options.nagle_max = microseconds(get(Option::kNagleTime));
  options.send_bytes_max = count(Option::kSendBufferSize);
  options.receive_bytes_max = count(Option::kRecvBufferSize);
  options.receive_messages_max = count(Option::kRecvBufferMessages);
  options.send_rate_min = count(Option::kSendRateMin);
  options.send_rate_max = count(Option::kSendRateMax);
  options.datagram_size_max = count(Option::kMtuPacketSize);
  return options;
}

SessionOptions Settings::session_options() const { return make_session_options(values_); }

SessionOptions Settings::session_options_for(const Identity& user) const {
  Values values = values_;
  const auto it = user_values_.find(user);
  if (it != user_values_.end()) {
    for (const auto& [option, value] : it->second) values[option] = value;
  }
  return make_session_options(values);
}

std::vector<Identity> Settings::users() const {
  std::vector<Identity> users;
  for (const auto& [user, values] : user_values_) users.push_back(user);
  return users;
}

FakeLinkSettings Settings::fake_send() const {
  FakeLinkSettings fake;
  fake.loss_percent = static_cast<int>(get(Option::kFakePacketLossSend));
  fake.lag = milliseconds(get(Option::kFakePacketLagSend));
  fake.reorder_percent = static_cast<int>(get(Option::kFakePacketReorderSend));
  fake.reorder_time = milliseconds(get(Option::kFakePacketReorderTime));
  fake.duplicate_percent = static_cast<int>(get(Option::kFakePacketDupSend));
  fake.duplicate_time_max = milliseconds(get(Option::kFakePacketDupTimeMax));
  fake.rate = static_cast<std::uint64_t>(get(Option::kFakeRateLimitSend));
  return fake;
}

FakeLinkSettings Settings::fake_receive() const {
  FakeLinkSettings fake;
  fake.loss_percent = static_cast<int>(get(Option::kFakePacketLossRecv));
  fake.lag = milliseconds(get(Option::kFakePacketLagRecv));
  fake.reorder_percent = static_cast<int>(get(Option::kFakePacketReorderRecv));
  fake.reorder_time = milliseconds(get(Option::kFakePacketReorderTime));
  fake.duplicate_percent = static_cast<int>(get(Option::kFakePacketDupRecv));
  fake.duplicate_time_max = milliseconds(get(Option::kFakePacketDupTimeMax));
  fake.rate = static_cast<std::uint64_t>(get(Option::kFakeRateLimitRecv));
  return fake;
}

void Settings::apply_to(EndpointLimits& limits) const {
  limits.sessions_max = static_cast<std::size_t>(get(Option::kSessionsMax));
  limits.pending_requests_max = static_cast<std::size_t>(get(Option::kPendingRequestsMax));
}

}  // namespace whimbrel
