#include "session/session.h"

#include <whimbrel/connection_info.h>
#include <whimbrel/send_flags.h>

#include <algorithm>

namespace whimbrel {

namespace {

// RFC 9000 10.2: how long a closed session answers stray packets: three probe timeouts, within
// these bounds.
constexpr Duration kClosingMin = milliseconds(500);
constexpr Duration kClosingMax = seconds(5);
// The first report comes soon, so that a new session's quality is known.
constexpr Duration kQualityFirst = milliseconds(200);
// Where message 1 went to several addresses the peer may begin at another than we do. It follows
// us, and we do not follow it meanwhile, or each could go where the other was. RFC 9000 9.6: nor
// does a client follow its server.
constexpr Duration kStaysWhereChosen = seconds(3);
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
// Long enough for a short outage, short enough for a user who started again, proves its name and
// waits to be let in.
constexpr Duration kSignOfLifeMin = seconds(3);
// What waits longer is late for who asked for no delay (whimbrel/send_flags.h).
constexpr Duration kNoDelayMax = milliseconds(200);

Instant on_grid(Instant when) {
  if (when == kNever) return when;
  const std::int64_t points = (when.time_since_epoch() + kGrid - Duration(1)) / kGrid;
  return Instant(points * kGrid);
}

MessageLimits message_limits(const SessionOptions& options) {
  MessageLimits limits;
  limits.receive_bytes_max = options.receive_bytes_max;
  limits.receive_messages_max = options.receive_messages_max;
  return limits;
}

PathConfig path_config(const SessionOptions& options, const PeerLimits& peer) {
  PathConfig config;
  config.datagram_size_max = std::max(config.datagram_size_min,
                                      std::min(options.datagram_size_max, peer.datagram_size_max));
  config.peer_ack_delay_max = peer.ack_delay_max;
  // docs/decisions/0003-congestion-control.md says why not CUBIC.
  config.controller = ControllerKind::kBbr;
  config.send_rate_min = options.send_rate_min;
  config.send_rate_max = options.send_rate_max;
  return config;
}

}  // namespace

Session::Session(const SessionOptions& options, Establishment&& with, Random& random,
                 Counters& counters, SlabAllocator& slabs, Instant now)
    : options_(options),
      random_(random),
      counters_(counters),
      channels_(message_limits(options), &slabs),
      paths_(path_config(options, with.peer), with.leads, now),
      keys_(std::move(with.keys)),
      last_message_(now),
      last_received_(now),
      last_activity_(now),
      answering_(with.answering),
      silent_(with.await_confirmation),
      handshake_done_owed_(with.answering),
      ping_owed_(!with.answering && !with.await_confirmation),
      stays_until_(with.one_of_several ? now + kStaysWhereChosen : Instant{}),
      quality_next_(now + kQualityFirst) {
  PathEntry& first = paths_.first();
  first.remote = with.remote;
  first.local_index = with.local_index;
  first.remote_index = with.remote_index;
  first.proof = with.address_proof;
  first.heard = now;
  first.path.on_unvalidated_bytes(with.bytes_received);
  // Over a relay nobody gets what they did not ask for: it takes a grant of theirs.
  const bool over_relay = with.remote.udp() == nullptr;
  if (over_relay) first.carrier = CarrierState::kDown;
  if (over_relay || with.address_proof == AddressProof::kGiven) first.path.set_address_validated();
  if (!over_relay && with.handshake_rtt > Duration::zero())
    first.path.on_handshake_rtt(with.handshake_rtt);
  channels_.set_initial_credit(with.peer.credit);
  channels_.set_unreliable_age_max(options.unreliable_age_max);
}

Session::~Session() = default;

void Session::send(ChannelId channel, SharedBytes payload, int flags, Instant now) {
  const bool reliable = (flags & kSendReliable) != 0;
  const std::size_t fragment_size = path().datagram_size() - kDataOverheadMax;
  channels_.send(channel, reliable ? Delivery::kReliable : Delivery::kUnreliable,
                 std::move(payload), fragment_size, now);
  count_expired();
  if ((flags & (kSendNoNagle | kSendNoDelay)) != 0) flush_ = true;
  note_message(now);
}

void Session::end_with(SessionEnd::Kind kind, int reason, std::string_view text) {
  if (end_) return;
  end_ = SessionEnd{kind, reason, std::string(text), !channels_.flushed()};
}

void Session::close(int reason, std::string_view text, bool linger, Instant now) {
  if (phase_ == SessionPhase::kClosing || phase_ == SessionPhase::kEnded) return;
  end_with(SessionEnd::Kind::kClosedByUs, reason, text);
  close_reason_ = reason;
  close_text_ = text;
  if (linger && options_.linger > Duration::zero() && !channels_.drained()) {
    phase_ = SessionPhase::kLingering;
    close_deadline_ = now + options_.linger;
    flush_ = true;
    return;
  }
  channels_.drop_unreliable();
  enter_closing(now);
}

void Session::fail(SessionEnd::Kind kind, int reason, std::string_view text, Instant now) {
  if (phase_ == SessionPhase::kClosing || phase_ == SessionPhase::kEnded) return;
  end_with(kind, reason, text);
  close_reason_ = reason;
  close_text_ = text;
  enter_closing(now);
}

void Session::enter_closing(Instant now) {
  phase_ = SessionPhase::kClosing;
  close_owed_ = true;
  close_deadline_ = now + std::clamp(3 * path().probe_timeout(), kClosingMin, kClosingMax);
}

void Session::consumed(std::uint16_t place, bool reliable, std::uint64_t bytes,
                       std::uint64_t messages, Instant) {
  channels_.on_consumed(place, reliable, bytes, messages);
}

void Session::set_options(const SessionOptions& options) {
  // What was agreed in the handshake or sized at the start stays: receive limits and the datagram
  // size.
  SessionOptions next = options;
  next.receive_bytes_max = options_.receive_bytes_max;
  next.receive_messages_max = options_.receive_messages_max;
  next.datagram_size_max = options_.datagram_size_max;
  options_ = next;
  channels_.set_unreliable_age_max(options.unreliable_age_max);
  paths_.for_each([&](PathEntry& entry) {
    entry.path.set_send_rate(options.send_rate_min, options.send_rate_max);
  });
}

void Session::probe_liveness(Rival rival, Instant now) {
  if (phase_ != SessionPhase::kUp) return;
  // One question at a time, however often the name is claimed.
  if (awaiting_since_ == kNever) ping_owed_ = true;
  if (rival == Rival::kClaims || awaits_sign_of_life()) return;
  if (awaiting_since_ != kNever) path().owe_probe(*this);
  rival_ = rival;
  last_questions_ = 0;
  sign_of_life_asked_ = now;
  sign_of_life_until_ = now + std::max(3 * path().probe_timeout(), kSignOfLifeMin);
}

void Session::on_frame_acked(const SentFrame& frame) {
  switch (frame.type) {
    case FrameType::kHandshakeDone:
    case FrameType::kQuality:
    case FrameType::kPathIndex:
    case FrameType::kPathStatus:
      return;
    case FrameType::kPathAbandon:
      return on_abandon_acked(PathId{static_cast<std::uint32_t>(frame.offset)});
    default:
      channels_.on_frame_acked(frame);
  }
}

void Session::on_frame_lost(const SentFrame& frame) {
  switch (frame.type) {
    case FrameType::kHandshakeDone:
      handshake_done_owed_ = !confirmed_;
      return;
    case FrameType::kQuality:
      return;
    case FrameType::kPathIndex:
    case FrameType::kPathStatus:
    case FrameType::kPathAbandon:
      return on_path_frame_lost(frame);
    default:
      channels_.on_frame_lost(frame);
  }
}

void Session::advance(Instant now) {
  if (phase_ == SessionPhase::kEnded) return;
  check_timeouts(now);
  if (phase_ != SessionPhase::kUp && phase_ != SessionPhase::kLingering) return;
  channels_.expire(now);
  count_expired();
  const bool probing = path().probes_owed() > 0;
  paths_.for_each([&](PathEntry& entry) { advance_path(entry, now); });
  if (paths_.several()) settle_paths(now);
  // All that was in flight is lost and none of it goes again: nobody owes us an answer before we
  // ask for one.
  if (awaiting_since_ != kNever && paths_.idle()) ping_owed_ = true;
  if (now >= last_question_at()) {
    ++last_questions_;
    path().owe_probe(*this);
  }
  doubt_ =
      phase_ == SessionPhase::kUp && ((!probing && path().probes_owed() > 0) || now >= doubt_at());
  if (doubt_) ++doubts_;
  if (now >= old_key_until_) {
    keys_.drop_old_key();
    old_key_until_ = kNever;
  }
  if (now >= std::min(keep_alive_at(), flow_question_at())) {
    ping_owed_ = true;
    flow_packets_ = 0;
  }
  if (now >= last_activity_ + kTrimAfter) keys_.trim();
  if (hold_since_ != kNever && now >= hold_since_ + options_.nagle_max) {
    hold_since_ = kNever;
    flush_ = true;  // as soon as the window allows
  }
  if (now >= quality_next_) {
    // Armed again by the next packet that arrives, so that a quiet line stays quiet.
    quality_next_ = kNever;
    const double share = path().arrival_share(now);
    if (share >= 0) quality_owed_ = static_cast<std::uint8_t>(share * 255);
  }
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
  if (flow_packets_ < kFlowPackets || awaiting_since_ != kNever || remote().udp() == nullptr)
    return kNever;
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
  if (awaiting_since_ == kNever) return kNever;
  // Where nothing can be sent it is not the peer that is silent.
  if (!paths_.active().usable()) return awaiting_since_ + options_.timeout_connected;
  const Duration unheard = awaiting_since_ - last_received_ - kUnheardFree;
  return awaiting_since_ + options_.timeout_connected -
         std::clamp(unheard, Duration::zero(), quiet_max());
}

Instant Session::last_question_at() const {
  if (awaiting_since_ == kNever || last_questions_ >= kLastQuestions) return kNever;
  const int left = kLastQuestions - last_questions_;
  return std::min(timeout_at(), sign_of_life_until_) -
         options_.timeout_connected * (left * kLastQuestionShare) / 100;
}

// RFC 9002 6.2.1: each packet that leaves starts the probe timer anew, so who sends steadily has no
// probe to ask by.
Instant Session::doubt_at() const {
  if (awaiting_since_ == kNever || doubts_ >= kDoubtsMax || phase_ != SessionPhase::kUp)
    return kNever;
  return awaiting_since_ + path().probe_timeout() * (2 << doubts_);
}

void Session::time_out(Duration waited, std::string_view text, Instant now) {
  fail(SessionEnd::Kind::kTimedOut, kEndRemoteTimeout, text, now);
  if (end_) end_->waited = waited;
}

void Session::check_timeouts(Instant now) {
  switch (phase_) {
    case SessionPhase::kUp:
      if (keys_.exhausted()) {
        fail(SessionEnd::Kind::kLocalProblem, kEndMiscInternalError, "a key is used up", now);
      } else if (now >= sign_of_life_until_) {
        time_out(sign_of_life_until_ - sign_of_life_asked_,
                 rival_ == Rival::kProved ? "somebody else has proved the same name"
                                          : "somebody else has the same name and address",
                 now);
      } else if (now >= timeout_at()) {
        time_out(options_.timeout_connected, "no answer", now);
      } else if (!silent_ && now >= last_message_ + options_.idle_timeout && channels_.flushed()) {
        fail(SessionEnd::Kind::kIdle, kEndSessionIdle, "idle", now);
      }
      return;
    case SessionPhase::kLingering:
      if (now >= close_deadline_ || channels_.drained()) enter_closing(now);
      return;
    case SessionPhase::kClosing:
      if (now >= close_deadline_) phase_ = SessionPhase::kEnded;
      if (now >= close_repeat_at_) {
        close_repeat_at_ = kNever;
        close_owed_ = true;
      }
      return;
    case SessionPhase::kEnded:
      return;
  }
}

Instant Session::next_deadline() const {
  switch (phase_) {
    case SessionPhase::kClosing:
      return std::min(close_deadline_, close_repeat_at_);
    case SessionPhase::kEnded:
      return kNever;
    case SessionPhase::kUp:
    case SessionPhase::kLingering:
      break;
  }
  if (keys_.exhausted() && phase_ == SessionPhase::kUp)
    return last_activity_;  // check_timeouts() ends it
  Instant next = channels_.next_expiry();
  paths_.for_each([&](const PathEntry& entry) { next = std::min(next, path_deadline(entry)); });
  next = std::min(next, paths_.move_at());
  if (phase_ == SessionPhase::kLingering) return std::min(next, close_deadline_);
  next = std::min({next, sign_of_life_until_, last_question_at(), doubt_at(), timeout_at()});
  if (hold_since_ != kNever) next = std::min(next, hold_since_ + options_.nagle_max);
  return std::min(next, on_grid(lazy_deadline()));
}

Instant Session::lazy_deadline() const {
  Instant next = std::min(quality_next_, old_key_until_);
  // While it is silent, messages wait at the endpoint, which has a timeout of its own.
  if (!silent_ && channels_.flushed()) next = std::min(next, last_message_ + options_.idle_timeout);
  if (!ping_owed_) next = std::min({next, keep_alive_at(), flow_question_at()});
  if (keys_.has_schedules()) next = std::min(next, last_activity_ + kTrimAfter);
  return next;
}

float Session::local_quality(Instant now) const {
  return static_cast<float>(path().arrival_share(now));
}

Duration Session::queue_time() const {
  const std::uint64_t waiting = channels_.pending_reliable() + channels_.pending_unreliable();
  const std::uint64_t rate = path().stats().send_rate;
  if (waiting == 0 || rate == 0) return Duration::zero();
  return Duration(
      static_cast<std::int64_t>(static_cast<double>(waiting) * 1e9 / static_cast<double>(rate)));
}

bool Session::can_leave_soon(ChannelId channel, Instant now) const {
  if (channels_.waits_for_name(channel)) return false;
  return leaves_soon_behind(channels_.bytes_before(channel, path().datagram_size()), now);
}

bool Session::can_leave_soon_on_any(Instant now) const {
  return leaves_soon_behind(channels_.bytes_before_any(path().datagram_size()), now);
}

bool Session::leaves_soon_behind(std::uint64_t bytes, Instant now) const {
  if (phase_ != SessionPhase::kUp) return false;
  const Duration room = path().time_to_room(now);
  if (room > kNoDelayMax) return false;
  const double rate = static_cast<double>(path().stats().send_rate);
  return bytes == 0 || static_cast<double>(bytes) <= rate * to_seconds(kNoDelayMax - room);
}

}  // namespace whimbrel
