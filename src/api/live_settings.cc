#include "api/live_settings.h"

#include <algorithm>

namespace whimbrel {

LiveSettings::LiveSettings(Settings settings, Core& core, Inbox& inbox)
    : settings_(std::move(settings)), core_(core), inbox_(inbox) {
  apply();
}

bool LiveSettings::set(Option option, std::int64_t value, std::string* error) {
  if (option == Option::kAllowWithoutAuth && value == 0 && !core_.endpoint().has_authorities()) {
    if (error != nullptr) *error = kNeedsAuthorities;
    return false;
  }
  settings_.set(option, value);
  apply();
  return true;
}

bool LiveSettings::set_for(const Identity& user, Option option, std::int64_t value,
                           std::string* error) {
  if (!settings_.set_for(user, option, value)) {
    if (error != nullptr) *error = "too many users have options of their own";
    return false;
  }
  apply_to_user(user);
  return true;
}

void LiveSettings::apply() {
  const SessionOptions all = settings_.session_options();
  Endpoint& endpoint = core_.endpoint();
  endpoint.set_options(all);
  endpoint.set_limits(static_cast<std::size_t>(settings_.get(Option::kSessionsMax)),
                      static_cast<std::size_t>(settings_.get(Option::kPendingRequestsMax)));
  if (settings_.is_set(Option::kAllowWithoutAuth)) {
    endpoint.set_require_certificate(settings_.get(Option::kAllowWithoutAuth) == 0);
  }
  receive_bytes_min_ = receive_bytes_max_ = all.receive_bytes_max;
  receive_messages_min_ = receive_messages_max_ = all.receive_messages_max;
  limit_inbox();
  for (const Identity& user : settings_.users()) apply_to_user(user);
  core_.set_fake_links(settings_.fake_send(), settings_.fake_receive());
}

void LiveSettings::apply_to_user(const Identity& user) {
  const SessionOptions options = settings_.session_options_for(user);
  core_.endpoint().set_session_options(user, options);
  receive_bytes_min_ = std::min(receive_bytes_min_, options.receive_bytes_max);
  receive_bytes_max_ = std::max(receive_bytes_max_, options.receive_bytes_max);
  receive_messages_min_ = std::min(receive_messages_min_, options.receive_messages_max);
  receive_messages_max_ = std::max(receive_messages_max_, options.receive_messages_max);
  limit_inbox();
}

// The peer with the smallest buffer must hear of room in time.
void LiveSettings::limit_inbox() {
  inbox_.set_user_limits(receive_bytes_max_, receive_messages_max_);
  inbox_.set_report_thresholds(receive_bytes_min_ / 4, receive_messages_min_ / 4);
}

}  // namespace whimbrel
