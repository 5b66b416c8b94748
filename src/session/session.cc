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
// Long enough for a short outage, short enough for a user who started again, proves its name and
// waits to be let in.
constexpr Duration kSignOfLifeMin = seconds(3);
// What waits longer is late for who asked for no delay (whimbrel/send_flags.h).
constexpr Duration kNoDelayMax = milliseconds(200);

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
      stage_(with.await_confirmation ? HandshakeStage::kSilent : HandshakeStage::kUnconfirmed),
      last_message_(now),
      last_received_(now),
      last_activity_(now),
      answering_(with.answering),
      owed_{.handshake_done = with.answering,
            .ping = !with.answering && !with.await_confirmation,
            .address = false,
            .quality = {}},
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
  if (!flows()) return;
  end_with(SessionEnd::Kind::kClosedByUs, reason, text);
  ClosingWords words{reason, std::string(text)};
  if (linger && options_.linger > Duration::zero() && !channels_.drained()) {
    state_ = SessionLingering{std::move(words), now + options_.linger};
    flush_ = true;
    return;
  }
  channels_.drop_unreliable();
  enter_closing(std::move(words), now);
}

void Session::fail(SessionEnd::Kind kind, int reason, std::string_view text, Instant now) {
  if (!flows()) return;
  end_with(kind, reason, text);
  enter_closing({reason, std::string(text)}, now);
}

void Session::enter_closing(ClosingWords words, Instant now) {
  SessionClosing closing;
  closing.words = std::move(words);
  closing.until = now + std::clamp(3 * path().probe_timeout(), kClosingMin, kClosingMax);
  state_ = std::move(closing);
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
  if (phase() != SessionPhase::kUp) return;
  // One question at a time, however often the name is claimed.
  if (!awaited_) owed_.ping = true;
  if (rival == Rival::kClaims || sign_of_life_) return;
  if (awaited_) {
    awaited_->last_questions = 0;
    path().owe_probe(*this);
  }
  sign_of_life_ =
      SignOfLife{rival, now, now + std::max(3 * path().probe_timeout(), kSignOfLifeMin)};
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
      owed_.handshake_done = !confirmed();
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
  if (phase() != SessionPhase::kUp) return false;
  const Duration room = path().time_to_room(now);
  if (room > kNoDelayMax) return false;
  const double rate = static_cast<double>(path().stats().send_rate);
  return bytes == 0 || static_cast<double>(bytes) <= rate * to_seconds(kNoDelayMax - room);
}

}  // namespace whimbrel
