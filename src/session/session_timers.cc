// Session, its timers: what it does by itself when time has passed, and when.
#include <whimbrel/connection_info.h>

#include <algorithm>

#include "base/timers.h"
#include "session/session.h"

namespace whimbrel {

// In the order in which those that are due at once fire.
enum class Session::Timer : std::uint8_t {
  // --- what ends it
  kKeyUsedUp,   // no packet may be sealed any more
  kSignOfLife,  // there is a rival, and the peer has said nothing
  kTimeout,     // the peer has not answered
  kIdle,        // nobody has had anything to say
  kLinger,      // closed by us, and what was taken is delivered or late
  kCloseAgain,  // CLOSE is repeated
  kCloseEnd,    // CLOSE has been said for long enough
  // --- what it does while it is up
  kExpiry,        // an unreliable message is too old
  kPaths,         // a path has something to do, or another one is to be used
  kLastQuestion,  // the peer is asked once more before it is given up
  kDoubt,         // it has not answered for so long that it may have started again
  kOldKey,        // nothing under the old key will come any more
  kKeepAlive,     // the line was quiet
  kFlowQuestion,  // a stream of the peer has stopped
  kTrim,          // the key schedules are not needed for now
  kHold,          // a part-full packet has waited for more
  kQuality,       // the peer is told how much arrives
  kCount
};

namespace {

// A line that was quiet for so long gives its key schedules back; making them again takes a
// microsecond.
constexpr Duration kTrimAfter = milliseconds(250);
// What is not urgent comes due at these points in time, so that ten thousand quiet sessions wake
// their thread together.
constexpr Duration kGrid = milliseconds(64);
// Keep-alives: half of the connected timeout at most, so that the other half is left to ask whoever
// is silent. The side that answered waits longer by a fifth: one of the two asks, and hears, for
// both.
constexpr int kQuietShare = 2;
constexpr int kAnsweringDelayShare = 5;
// So often a peer that says nothing is doubted, each time after twice as long; then the last
// questions come.
constexpr std::uint8_t kDoubtsMax = 8;
// The connected timeout counts from what was heard last, and a question may come so much later
// without a loss of time.
constexpr Duration kUnheardFree = milliseconds(900);
// Probes grow rare (RFC 9002 6.2.1). Whoever is back shortly before it is given up is asked in
// time: so often, so many hundredths of the connected timeout apart.
constexpr int kLastQuestions = 3;
constexpr int kLastQuestionShare = 3;

Instant on_grid(Instant when) {
  if (when == kNever) return when;
  const std::int64_t points = (when.time_since_epoch() + kGrid - Duration(1)) / kGrid;
  return Instant(points * kGrid);
}

}  // namespace

// --- when ----------------------------------------------------------------------------------------

// The state is asked first: each timer runs in one of them, or in the two in which packets flow.
inline Instant Session::deadline_of(Timer timer) const {
  const bool up = phase() == SessionPhase::kUp;
  const auto* closing = std::get_if<SessionClosing>(&state_);
  const auto* lingering = std::get_if<SessionLingering>(&state_);
  switch (timer) {
    case Timer::kKeyUsedUp:
      return up && keys_.exhausted() ? kNow : kNever;
    case Timer::kSignOfLife:
      return up && sign_of_life_ ? sign_of_life_->until : kNever;
    case Timer::kTimeout:
      return up ? timeout_at() : kNever;
    case Timer::kIdle:
      // While it is silent, messages wait at the endpoint, which has a timeout of its own.
      return up && !silent() && channels_.flushed() ? last_message_ + options_.idle_timeout
                                                    : kNever;
    case Timer::kLinger:
      if (lingering == nullptr) return kNever;
      return channels_.drained() ? kNow : lingering->until;
    case Timer::kCloseAgain:
      return closing != nullptr ? closing->repeat_at : kNever;
    case Timer::kCloseEnd:
      return closing != nullptr ? closing->until : kNever;
    case Timer::kExpiry:
      return flows() ? channels_.next_expiry() : kNever;
    case Timer::kPaths:
      return flows() ? paths_deadline() : kNever;
    case Timer::kLastQuestion:
      return up ? last_question_at() : kNever;
    case Timer::kDoubt:
      return up ? doubt_at() : kNever;
    case Timer::kOldKey:
      return flows() ? old_key_until_ : kNever;
    case Timer::kKeepAlive:
      return up && !owed_.ping ? keep_alive_at() : kNever;
    case Timer::kFlowQuestion:
      return up && !owed_.ping ? flow_question_at() : kNever;
    case Timer::kTrim:
      return up && keys_.has_schedules() ? last_activity_ + kTrimAfter : kNever;
    case Timer::kHold:
      return flows() && hold_since_ != kNever ? hold_since_ + options_.nagle_max : kNever;
    case Timer::kQuality:
      return up ? quality_next_ : kNever;
    case Timer::kCount:
      break;
  }
  return kNever;
}

Instant Session::paths_deadline() const {
  Instant next = paths_.move_at();
  paths_.for_each([&](const PathEntry& entry) { next = std::min(next, path_deadline(entry)); });
  return next;
}

Instant Session::next_deadline() const {
  return earliest_of<Timer>([this](Timer timer) {
    const Instant deadline = deadline_of(timer);
    switch (timer) {
      case Timer::kIdle:
      case Timer::kOldKey:
      case Timer::kKeepAlive:
      case Timer::kFlowQuestion:
      case Timer::kTrim:
      case Timer::kQuality:
        return on_grid(deadline);
      default:
        return deadline;
    }
  });
}

Duration Session::quiet_max() const {
  const Duration quiet = std::min(options_.keep_alive, options_.timeout_connected / kQuietShare);
  return answering_ ? quiet + quiet / kAnsweringDelayShare : quiet;
}

Instant Session::keep_alive_at() const {
  const Duration quiet = quiet_max();
  return quiet == Duration::zero() ? kNever : last_activity_ + quiet;
}

// Who is only sent to, and whose address has changed, is sought at the old one until it says
// something. So who hears nothing more asks, once. Over a relay this is the relay's client to
// notice.
Instant Session::flow_question_at() const {
  if (flow_packets_ < kFlowPackets || awaited_ || remote().udp() == nullptr) return kNever;
  const Duration pause = answering_ ? kFlowPause + kFlowPause / kAnsweringDelayShare : kFlowPause;
  return last_received_ + pause;
}

void Session::note_flow(bool of_content, Instant now) {
  if (now >= last_content_ + kFlowPause) flow_packets_ = 0;
  if (!of_content) return;
  last_content_ = now;
  if (flow_packets_ < kFlowPackets) ++flow_packets_;
}

// Where the line was quiet, the keep-alive has come in time to ask; who has slept through it asks
// anew.
Instant Session::timeout_at() const {
  if (!awaited_) return kNever;
  // Where nothing can be sent it is not the peer that is silent.
  if (!paths_.active().usable()) return awaited_->since + options_.timeout_connected;
  const Duration unheard = awaited_->since - last_received_ - kUnheardFree;
  return awaited_->since + options_.timeout_connected -
         std::clamp(unheard, Duration::zero(), quiet_max());
}

Instant Session::last_question_at() const {
  if (!awaited_ || awaited_->last_questions >= kLastQuestions) return kNever;
  const int left = kLastQuestions - awaited_->last_questions;
  const Instant given_up =
      sign_of_life_ ? std::min(timeout_at(), sign_of_life_->until) : timeout_at();
  return given_up - options_.timeout_connected * (left * kLastQuestionShare) / 100;
}

// RFC 9002 6.2.1: each packet that leaves starts the probe timer anew, so who sends steadily has no
// probe to ask by.
Instant Session::doubt_at() const {
  if (!awaited_ || awaited_->doubts >= kDoubtsMax) return kNever;
  return awaited_->since + path().probe_timeout() * (2 << awaited_->doubts);
}

void Session::time_out(Duration waited, std::string_view text, Instant now) {
  fail(SessionEnd::Kind::kTimedOut, kEndRemoteTimeout, text, now);
  if (end_) end_->waited = waited;
}

// --- what ----------------------------------------------------------------------------------------

void Session::advance(Instant now) {
  fire_due<Timer>(
      now, [this](Timer timer) { return deadline_of(timer); },
      [&](Timer timer) { on_timer(timer, now); });
}

void Session::on_timer(Timer timer, Instant now) {
  switch (timer) {
    case Timer::kKeyUsedUp:
      return fail(SessionEnd::Kind::kLocalProblem, kEndMiscInternalError, "a key is used up", now);
    case Timer::kSignOfLife:
      return time_out(sign_of_life_->until - sign_of_life_->asked,
                      sign_of_life_->rival == Rival::kProved
                          ? "somebody else has proved the same name"
                          : "somebody else has the same name and address",
                      now);
    case Timer::kTimeout:
      return time_out(options_.timeout_connected, "no answer", now);
    case Timer::kIdle:
      return fail(SessionEnd::Kind::kIdle, kEndSessionIdle, "idle", now);
    case Timer::kLinger:
      return enter_closing(std::move(std::get<SessionLingering>(state_).words), now);
    case Timer::kCloseAgain:
      std::get<SessionClosing>(state_).repeat_at = kNever;
      std::get<SessionClosing>(state_).owed = true;
      return;
    case Timer::kCloseEnd:
      state_ = SessionEnded{};
      return;
    case Timer::kExpiry:
      channels_.expire(now);
      return count_expired();
    case Timer::kPaths:
      return advance_paths(now);
    case Timer::kLastQuestion:
      ++awaited_->last_questions;
      return path().owe_probe(*this);
    case Timer::kDoubt:
      return raise_doubt();
    case Timer::kOldKey:
      keys_.drop_old_key();
      old_key_until_ = kNever;
      return;
    case Timer::kKeepAlive:
    case Timer::kFlowQuestion:
      owed_.ping = true;
      flow_packets_ = 0;
      return;
    case Timer::kTrim:
      return keys_.trim();
    case Timer::kHold:
      hold_since_ = kNever;
      flush_ = true;  // as soon as the window allows
      return;
    case Timer::kQuality:
      return measure_quality(now);
    case Timer::kCount:
      return;
  }
}

void Session::advance_paths(Instant now) {
  const bool probing = path().probes_owed() > 0;
  paths_.for_each([&](PathEntry& entry) { advance_path(entry, now); });
  if (paths_.several()) settle_paths(now);
  // All that was in flight is lost and none of it goes again: nobody owes us an answer before we
  // ask for one.
  if (awaited_ && paths_.idle()) owed_.ping = true;
  if (!probing && path().probes_owed() > 0 && phase() == SessionPhase::kUp) raise_doubt();
}

void Session::raise_doubt() {
  doubt_ = true;
  if (awaited_) ++awaited_->doubts;
}

// Armed again by the next packet that arrives, so that a quiet line stays quiet.
void Session::measure_quality(Instant now) {
  quality_next_ = kNever;
  const double share = path().arrival_share(now);
  if (share >= 0) owed_.quality = static_cast<std::uint8_t>(share * 255);
}

}  // namespace whimbrel
