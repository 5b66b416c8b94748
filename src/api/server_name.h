// The host name of the server, asked again while the server is not reached: it may stand for
// another machine by now, or there was no network when the program began.
#pragma once

#include <optional>

#include "base/time.h"
#include "io/name_lookup.h"

namespace whimbrel {

class ServerName {
 public:
  // So long after the server was lost, or after the start, and then at these intervals.
  static constexpr Duration kFirst = seconds(2);
  static constexpr Duration kInterval = seconds(10);

  ServerName(NameLookup::Resolve resolve, std::function<void()> wake)
      : lookup_(std::move(resolve), std::move(wake)) {}

  // `seeks`: the server is not reached, and is still wanted. An answer that has come since the last
  // call.
  std::optional<NameLookup::Answer> advance(bool seeks, Instant now) {
    if (!seeks) {
      ask_at_ = kNever;
    } else if (ask_at_ == kNever) {
      ask_at_ = now + kFirst;
    } else if (now >= ask_at_) {
      ask_at_ = now + kInterval;
      lookup_.start();
    }
    return lookup_.take();
  }
  Instant next_deadline() const { return ask_at_; }

 private:
  NameLookup lookup_;
  Instant ask_at_ = kNever;
};

}  // namespace whimbrel
