// Leg, its timers: what it does by itself when time has passed, and when.
#include <algorithm>

#include "base/timers.h"
#include "relay/leg.h"

namespace whimbrel::relay {

// In the order in which those that are due at once fire.
enum class Leg::Timer : std::uint8_t {
  kPacket,  // one waits to leave: poll_transmit() writes it
  // --- while it is opening; first, for a leg that is lost just now asks at the next call
  kOpen,    // the next Open: poll_transmit() writes it
  kGiveUp,  // the relay has ended the slot that we had
  kResume,  // the next Ping for that slot
  // --- while it is open
  kBind,       // the relay has not answered for a binding
  kDead,       // it has been silent for too long
  kDoubt,      // another path should be prepared
  kAsk,        // the next Ping
  kAskByOpen,  // it may have been started again
  kUsedUp,     // no packet may be numbered any more
  kCount
};

namespace {

// It asks for a slot that the relay may still have at this pace if something waits for it, which
// costs the relay next to nothing.
constexpr Duration kResumeRetryWanted = milliseconds(80);
constexpr std::uint32_t kSequenceMax = 0xf0000000;

}  // namespace

// --- when ----------------------------------------------------------------------------------------

Instant Leg::due(Timer timer) const {
  const LegOpen* up = as<LegOpen>();
  if (timer == Timer::kPacket) {
    return !out_.empty() || (up != nullptr && up->silence.owes_open()) ? kNow : kNever;
  }
  if (up != nullptr) return due_while_open(*up, timer);
  const LegOpening* opening = as<LegOpening>();
  return opening == nullptr ? kNever : due_while_opening(*opening, timer);
}

Instant Leg::due_while_opening(const LegOpening& opening, Timer timer) const {
  const KeptSlot* kept = opening.kept();
  switch (timer) {
    case Timer::kOpen:
      return opening.open_at;
    case Timer::kGiveUp:
      return kept == nullptr ? kNever : kept->until;
    case Timer::kResume:
      return kept == nullptr ? kNever : kept->ask_at;
    case Timer::kPacket:
    case Timer::kBind:
    case Timer::kDead:
    case Timer::kDoubt:
    case Timer::kAsk:
    case Timer::kAskByOpen:
    case Timer::kUsedUp:
    case Timer::kCount:
      break;
  }
  return kNever;
}

Instant Leg::due_while_open(const LegOpen& up, Timer timer) const {
  switch (timer) {
    case Timer::kBind:
      return up.slot.bindings.ask_at();
    case Timer::kDead:
      return up.silence.dead_at(history_);
    case Timer::kDoubt:
      return up.silence.doubt_at(history_);
    case Timer::kAsk:
      return up.silence.ask_at(history_);
    case Timer::kAskByOpen:
      return up.silence.open_at(history_);
    case Timer::kUsedUp:
      return up.slot.sequence > kSequenceMax ? kNow : kNever;
    case Timer::kPacket:
    case Timer::kOpen:
    case Timer::kGiveUp:
    case Timer::kResume:
    case Timer::kCount:
      break;
  }
  return kNever;
}

Instant Leg::next_deadline() const {
  return earliest_of<Timer>([this](Timer timer) { return due(timer); });
}

// --- what ----------------------------------------------------------------------------------------

void Leg::advance(Instant now) {
  fire_due<Timer>(
      now, [this](Timer timer) { return due(timer); }, [&](Timer timer) { on_timer(timer, now); });
}

void Leg::on_timer(Timer timer, Instant now) {
  switch (timer) {
    case Timer::kPacket:
    case Timer::kOpen:
    case Timer::kCount:
      return;
    case Timer::kGiveUp:
      return give_up_kept_slot(*as<LegOpening>());
    case Timer::kResume:
      return ask_for_kept_slot(*as<LegOpening>(), now);
    case Timer::kBind:
      return ask_for_bindings(as<LegOpen>()->slot, now);
    case Timer::kDead:
      return lose({LegLost::Why::kSilence, {}}, now);
    case Timer::kDoubt:
      as<LegOpen>()->silence.doubt();
      return post(LegSuspected{});
    case Timer::kAsk:
      return ping(*as<LegOpen>(), now);
    case Timer::kAskByOpen:
      return as<LegOpen>()->silence.owe_open();
    case Timer::kUsedUp:
      return lose({LegLost::Why::kClosed, {}}, now);
  }
}

void Leg::give_up_kept_slot(LegOpening& opening) {
  opening.outlook = LegOpening::Asking{};
  opening.nonce = fresh_nonce();
  opening.opens.cookie = {};
}

// From another address than before the relay challenges a Ping, where an Open gets nothing.
void Leg::ask_for_kept_slot(LegOpening& opening, Instant now) {
  KeptSlot& kept = *opening.kept();
  write_ping(kept.slot, now);
  kept.ask_at = now + (hurries(opening, now) ? kResumeRetryWanted : opening.wait);
}

void Leg::ask_for_bindings(LegSlot& slot, Instant now) {
  for (const Grant& grant : slot.bindings.take_due(now)) {
    std::array<std::uint8_t, kGrantSize> body;
    ByteWriter out(body);
    write_grant(out, grant);
    ask(slot, Ask::kBind, body);
  }
}

}  // namespace whimbrel::relay
