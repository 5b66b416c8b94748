#include "api/farewell.h"

#include <algorithm>

namespace whimbrel {

namespace {

// For the server's answer to a logout.
constexpr Duration kLogoutMax = milliseconds(250);
// For the fake line (FakePacketLagSend); what is still on it then leaves at once.
constexpr Duration kFakeLineWaitMax = seconds(1);
// Beyond the linger time, so that what leaves at its end is on its way.
constexpr Duration kLingerMargin = milliseconds(100);

}  // namespace

void Farewell::say() {
  close_sessions();
  log_out();
  wait_for_fake_line();
}

void Farewell::drive_while(const Busy& busy, Instant give_up) {
  Poller::Ready ready;
  for (;;) {
    const Exchange::Pass done = exchange_.pass(ready);
    const bool goes_on = exchange_.with_core(Exchange::Kind::kQuestion,
                                             [&](Exchange::Inside& in) { return busy(in.core); });
    if (!goes_on || clock_.now() >= give_up) return;
    ready = poller_.wait(done.more ? kNow : std::min(done.deadline, give_up));
  }
}

void Farewell::close_sessions() {
  const Instant give_up = exchange_.with_core([](Exchange::Inside& in) {
    in.endpoint().close_all(in.now);
    return in.now + in.settings.linger_time() + kLingerMargin;
  });
  drive_while([](Core& core) { return core.endpoint().lingering(); }, give_up);
}

// So that nobody waits for us: the server is told, and other users by it.
void Farewell::log_out() {
  const Instant give_up = exchange_.with_core([](Exchange::Inside& in) {
    in.core.leave(in.now);
    return in.now + kLogoutMax;
  });
  drive_while([](Core& core) { return core.network().leaving(); }, give_up);
}

// A line that is slow only in this process must not swallow the farewell that is on it.
void Farewell::wait_for_fake_line() {
  drive_while([](Core& core) { return core.line_busy(); }, clock_.now() + kFakeLineWaitMax);
  exchange_.with_core([](Exchange::Inside& in) {
    in.core.flush_line();
    return true;
  });
}

}  // namespace whimbrel
