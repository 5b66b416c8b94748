#include "relay/leg_silence.h"

#include <algorithm>

#include "base/assert.h"

namespace whimbrel::relay {

namespace {

constexpr Duration kKeepAlive = seconds(15);  // in practice NAT mappings last at least 30 s
// While we send and hear nothing, we ask this often. Any packet is an answer.
constexpr Duration kQuietMin = milliseconds(50);
// The peer answers the keep-alive of an idle session soon; a healthy relay need not be asked each
// time.
constexpr Duration kQuietIdle = milliseconds(350);
constexpr unsigned kUnheardIdle = 2;
// A relay that delivered lately and has gone quiet is asked a little later: there may be nothing to
// deliver, or it was restarted and no longer knows us.
constexpr Duration kQuietAfterPayload = seconds(1);
constexpr Duration kAskInterval = milliseconds(50);
// A leg whose traffic stops suddenly, in both directions, sends its first Open after this or one
// and a half round trips of silence, without a wait for the answer to its Ping. If the relay knew
// us, that was a quiet peer or a slow network, and for so long the next Open waits until a Ping has
// had time for its answer.
constexpr Duration kOpenMin = milliseconds(50);
constexpr Duration kOpenPause = seconds(10);
// So often the pause between two Opens doubles.
constexpr unsigned kDoublingsMax = 6;
// A leg with traffic is doubted after kDoubtMin, or two round trips and kDoubtSlack; it is dead
// after kSilenceBusy, or four round trips. Both count from the first payload without an answer. An
// idle leg has more time.
constexpr Duration kDoubtMin = milliseconds(150);
constexpr Duration kDoubtSlack = milliseconds(50);
constexpr Duration kSilenceBusy = milliseconds(400);
constexpr Duration kSilenceIdle = seconds(3);

}  // namespace

// --- what happens -------------------------------------------------------------------------------

void LegSilence::sent_payload(Instant now) {
  if (!unheard_) unheard_ = Unheard{.since = now};
  ++unheard_->count;
}

void LegSilence::asked(Instant now, Duration rtt) {
  if (!question_) question_ = Question{.since = now, .again_at = now};
  question_->again_at = now + std::max(kAskInterval, doubted() ? Duration::zero() : rtt * 5 / 4);
}

void LegSilence::suspect() {
  ASSERT(question_);
  question_->suspected = true;
}

void LegSilence::owe_open() {
  ASSERT(question_);
  question_->open_owed = true;
}

void LegSilence::doubt() {
  ASSERT(unheard_);
  unheard_->doubted = true;
}

void LegSilence::on_cookie() {
  if (question_ && (question_->opens == 1 || question_->opens == 2)) question_->open_owed = true;
}

bool LegSilence::take_open() {
  if (!owes_open()) return false;
  question_->open_owed = false;
  ++question_->opens;
  return true;
}

// --- when something is to be done ---------------------------------------------------------------

Instant LegSilence::since() const {
  return unheard_ ? std::min(question_->since, unheard_->since) : question_->since;
}

Duration LegSilence::silence_max(const LegHistory& history) const {
  const bool idle = !suspected() && !unheard_ && !history.delivers_at(heard_);
  return std::max(idle ? kSilenceIdle : kSilenceBusy, 4 * history.rtt());
}

bool LegSilence::in_traffic(const LegHistory& history) const {
  return history.sends_traffic() || unheard_->count > kUnheardIdle;
}

// Who begins to talk waits for the peer, and its relay is well.
bool LegSilence::stopped_suddenly(const LegHistory& history) const {
  const auto delivered = history.delivered_at();
  return unheard_ && delivered && unheard_->since - *delivered < kQuietMin &&
         history.sends_traffic() && history.brings_traffic();
}

// A question has its time for an answer, too.
Instant LegSilence::dead_at(const LegHistory& history) const {
  if (!question_) return kNever;
  return std::max(since() + silence_max(history),
                  question_->since + 2 * history.rtt() + kDoubtSlack);
}

Instant LegSilence::doubt_at(const LegHistory& history) const {
  if (!unheard_ || doubted() || !(in_traffic(history) || question_)) return kNever;
  return unheard_->since + std::max(kDoubtMin, 2 * history.rtt() + kDoubtSlack);
}

Instant LegSilence::ask_at(const LegHistory& history) const {
  if (question_) return question_->again_at;
  if (unheard_) return unheard_->since + (in_traffic(history) ? kQuietMin : kQuietIdle);
  return heard_ + (history.delivers_at(heard_) ? kQuietAfterPayload : kKeepAlive);
}

// An Open with the nonce of our slot costs a relay that knows it an answer and changes nothing.
Instant LegSilence::open_at(const LegHistory& history) const {
  if (!question_) return kNever;
  const Duration patience = std::max(kOpenMin, history.rtt() * 3 / 2);
  if (opens() > 0) return history.open_sent() + patience * (1 << std::min(opens(), kDoublingsMax));
  const auto needless = history.needless_at();
  const bool at_once = stopped_suddenly(history) && (!needless || heard_ - *needless >= kOpenPause);
  return std::max(question_->since, (at_once ? since() : question_->since) + patience);
}

}  // namespace whimbrel::relay
