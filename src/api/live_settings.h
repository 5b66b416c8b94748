// The options in force: kept, and handed on to all that they rule.
#pragma once

#include "api/core.h"
#include "api/inbox.h"
#include "api/settings.h"

namespace whimbrel {

// Not thread-safe. `core` and `inbox` must outlive it.
class LiveSettings {
 public:
  LiveSettings(Settings settings, Core& core, Inbox& inbox);

  // The value was checked. False where it cannot be now; then `*error` says why, and nothing has
  // changed.
  bool set(Option option, std::int64_t value, std::string* error);
  bool set_for(const Identity& user, Option option, std::int64_t value, std::string* error);
  Duration linger_time() const { return milliseconds(settings_.get(Option::kLingerTime)); }

 private:
  void apply();
  void apply_to_user(const Identity& user);
  void limit_inbox();

  Settings settings_;
  Core& core_;
  Inbox& inbox_;
  // Of all sessions.
  std::uint64_t receive_bytes_min_ = 0, receive_bytes_max_ = 0;
  std::uint64_t receive_messages_min_ = 0, receive_messages_max_ = 0;
};

}  // namespace whimbrel
