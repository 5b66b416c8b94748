// The end of an instance: sessions are closed in good order, and the server is told, while nobody
// else drives.
#pragma once

#include <functional>

#include "api/exchange.h"
#include "io/clock.h"
#include "io/poller.h"

namespace whimbrel {

class Farewell {
 public:
  Farewell(Exchange& exchange, Poller& poller, const Clock& clock)
      : exchange_(exchange), poller_(poller), clock_(clock) {}

  // Returns when all is said, or when there is no more time for it.
  void say();

 private:
  using Busy = std::function<bool(Core& core)>;

  void close_sessions();
  void log_out();
  void wait_for_fake_line();
  void drive_while(const Busy& busy, Instant give_up);

  Exchange& exchange_;
  Poller& poller_;
  const Clock& clock_;
};

}  // namespace whimbrel
