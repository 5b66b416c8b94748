// Session, the way in: open a packet, read its frames, note what arrived.
#include <whimbrel/connection_info.h>

#include <algorithm>
#include <bit>

#include "session/session.h"

namespace whimbrel {

void Session::receive(const Remote& from, const DataHeader& header, MutableBytes datagram,
                      Instant now, std::vector<ReceivedMessage>& out) {
  if (phase() == SessionPhase::kEnded) return count_drop(Count::kDroppedClosedSession);
  PathEntry* entry = paths_.find_local(header.receiver_index);
  if (entry == nullptr || entry->is<PathEntry::Gone>())
    return count_drop(Count::kDroppedUnknownIndex);
  Path& path = entry->path;
  if (!path.address_validated() && from == entry->remote)
    path.on_unvalidated_bytes(datagram.size());
  Bytes frames;
  PacketNumber number{};
  if (!open_packet(*entry, header, datagram, now, frames, number)) return;
  if (auto* closing = std::get_if<SessionClosing>(&state_)) {
    // The answer goes where the peer was heard: it may have left the path that we used.
    if (entry->usable()) paths_.activate(*entry, now);
    return receive_while_closing(*closing, frames);
  }

  Arrival arrival{*entry, from, now, out, datagram.size(), value(number) >= path.expected_number()};
  Asking asking;
  ByteReader in(frames);
  const std::size_t delivered_before = out.size();
  switch (read_frames(in, arrival, asking)) {
    case FrameVerdict::kTaken:
      break;
    case FrameVerdict::kRefused:
      // Not acknowledged: the peer will take it for lost and send its content again. What came
      // before the refused frame has been taken, so a copy of the packet must not be read. It is
      // the peer's all the same.
      path.on_packet_refused(number);
      count_drop(Count::kDroppedRefusedByLimit);
      return settle(arrival, out.size() != delivered_before);
    case FrameVerdict::kViolation:
      count_drop(Count::kProtocolViolations);
      return fail(SessionEnd::Kind::kLocalProblem, kEndMiscGeneric, "the peer broke the protocol",
                  now);
  }
  path.on_packet_received(number, datagram.size(), asking.ping || asking.more, now);
  // Nothing will follow that the answer could ride on, and a timer for it costs more than the
  // packet.
  if (asking.ping && !asking.more) path.hurry_ack();
  note_flow(asking.more, now);
  settle(arrival, out.size() != delivered_before);
}

// After a packet of the peer, whatever became of its content.
void Session::settle(Arrival& arrival, bool delivered) {
  if (delivered) note_message(arrival.now);
  count_unreliable_drops();
  if (!flows()) return;
  look_at_paths_ = look_at_paths_ || !confirmed();
  after_packet(arrival);
  if (!paths_.several()) return;
  const bool of_active = &arrival.entry == &paths_.active();
  if (look_at_paths_ || !of_active || paths_.also() != nullptr) settle_paths(arrival.now);
}

void Session::count_unreliable_drops() {
  const ChannelsStats stats = channels_.stats();
  counters_.add(Count::kUnreliableDroppedReceiveLimit,
                stats.unreliable_dropped_receive_limit - counted_receive_limit_);
  counters_.add(Count::kUnreliableDroppedIncomplete,
                stats.unreliable_dropped_incomplete - counted_incomplete_);
  counted_receive_limit_ = stats.unreliable_dropped_receive_limit;
  counted_incomplete_ = stats.unreliable_dropped_incomplete;
}

void Session::count_expired() {
  const std::uint64_t expired = channels_.unreliable_expired();
  counters_.add(Count::kUnreliableDroppedAge, expired - counted_expired_);
  counted_expired_ = expired;
}

bool Session::open_packet(PathEntry& entry, const DataHeader& header, MutableBytes datagram,
                          Instant now, Bytes& frames, PacketNumber& number) {
  Path& path = entry.path;
  number =
      recover_packet_number(path.expected_number(), header.truncated_number, header.number_size);
  if (path.is_duplicate(number)) {
    count_drop(Count::kDroppedDuplicate);
    return false;
  }
  const std::size_t head = header.size();
  const MutableBytes sealed = datagram.subspan(head);
  const auto opened =
      keys_.open(header.key_phase, value(path.id()), value(number), datagram.first(head), sealed);
  if (opened == PacketKeys::OpenResult::kFailed) {
    count_drop(Count::kDroppedBadSeal);
    if (keys_.exhausted()) {
      fail(SessionEnd::Kind::kLocalProblem, kEndRemoteBadCrypt, "too many forged packets", now);
    }
    return false;
  }
  if (opened == PacketKeys::OpenResult::kOpenedAndStepped) {
    // RFC 9001 6.5: the old key serves packets that were overtaken, for three probe timeouts.
    begin_phase(now);
  }
  frames = sealed.first(sealed.size() - kTagSize);
  return true;
}

FrameVerdict Session::read_frames(ByteReader& in, Arrival& arrival, Asking& asking) {
  while (!in.empty()) {
    const auto type = static_cast<FrameType>(in.u8());
    if (type == FrameType::kPadding) continue;
    asking.ping |= type == FrameType::kPing;
    asking.more |= type != FrameType::kPing && is_ack_eliciting(type);
    const FrameVerdict verdict = read_frame(type, in, arrival);
    if (verdict != FrameVerdict::kTaken) return verdict;
    if (!in.ok()) return FrameVerdict::kViolation;
    if (phase() == SessionPhase::kEnded) break;
  }
  return FrameVerdict::kTaken;
}

FrameVerdict Session::read_frame(FrameType type, ByteReader& in, Arrival& arrival) {
  const Instant now = arrival.now;
  std::vector<ReceivedMessage>& out = arrival.out;
  constexpr auto kBad = FrameVerdict::kViolation;
  constexpr auto kGood = FrameVerdict::kTaken;
  // A session that the application has closed takes nothing more in. Reliable data is not
  // acknowledged either: its sender must learn that it was lost.
  constexpr auto kNotTaken = FrameVerdict::kRefused;
  const bool closed = phase() == SessionPhase::kLingering;
  switch (type) {
    case FrameType::kPing:
    case FrameType::kHandshakeDone:
      return kGood;
    case FrameType::kAck:
      return on_ack(in, arrival.entry, now);
    case FrameType::kClose:
      return on_close(in, now);
    case FrameType::kPathChallenge:
    case FrameType::kPathResponse:
    case FrameType::kPathIndex:
    case FrameType::kPathStatus:
    case FrameType::kPathAbandon:
    case FrameType::kPathAck:
      return read_path_frame(type, in, arrival);
    case FrameType::kSessionCredit: {
      SessionCreditFrame frame;
      if (!read_session_credit(in, frame)) return kBad;
      channels_.on_session_credit(frame);
      return kGood;
    }
    case FrameType::kChannelCredit: {
      ChannelCreditFrame frame;
      return read_channel_credit(in, frame) ? channels_.on_channel_credit(frame) : kBad;
    }
    case FrameType::kChannelName: {
      ChannelNameFrame frame;
      return read_channel_name(in, frame) ? channels_.on_channel_name(frame) : kBad;
    }
    case FrameType::kQuality:
      remote_quality_ = static_cast<float>(in.u8()) / 255.0f;
      return kGood;
    case FrameType::kStream:
    case FrameType::kStreamToEnd: {
      StreamFrame frame;
      if (!read_stream(in, type, frame)) return kBad;
      return closed ? kNotTaken : channels_.on_stream(frame, now, out);
    }
    case FrameType::kMessage:
    case FrameType::kMessageToEnd: {
      MessageFrame frame;
      if (!read_message(in, type, frame)) return kBad;
      return closed ? kGood : channels_.on_message(frame, now, out);
    }
    case FrameType::kFragment:
    case FrameType::kReliableFragment: {
      FragmentFrame frame;
      if (!read_fragment(in, type, frame)) return kBad;
      if (closed) return frame.reliable ? kNotTaken : kGood;
      return channels_.on_fragment(frame, now, out);
    }
    case FrameType::kPadding:
      return kGood;
  }
  return kBad;
}

FrameVerdict Session::read_path_frame(FrameType type, ByteReader& in, Arrival& arrival) {
  constexpr auto kBad = FrameVerdict::kViolation;
  switch (type) {
    case FrameType::kPathChallenge: {
      PathData data;
      if (!read_path_data(in, data)) return kBad;
      arrival.entry.response = std::make_unique<std::pair<Remote, PathData>>(arrival.from, data);
      return FrameVerdict::kTaken;
    }
    case FrameType::kPathResponse: {
      PathData data;
      if (!read_path_data(in, data)) return kBad;
      on_path_response(arrival.entry, data, arrival.now);
      return FrameVerdict::kTaken;
    }
    case FrameType::kPathIndex: {
      PathIndexFrame frame;
      return read_path_index(in, frame) ? on_path_index(frame, arrival.now) : kBad;
    }
    case FrameType::kPathStatus: {
      PathStatusFrame frame;
      return read_path_status(in, frame) ? on_path_status(frame) : kBad;
    }
    case FrameType::kPathAbandon: {
      PathAbandonFrame frame;
      return read_path_abandon(in, frame) ? on_path_abandon(frame) : kBad;
    }
    default:
      return on_path_ack(in, arrival.now);
  }
}

FrameVerdict Session::on_ack(ByteReader& in, PathEntry& entry, Instant now) {
  AckFrame ack;
  if (!read_ack(in, ack)) return FrameVerdict::kViolation;
  return entry.path.on_ack_received(ack, now, *this) ? FrameVerdict::kTaken
                                                     : FrameVerdict::kViolation;
}

// Of a path that is not here any more it says nothing.
FrameVerdict Session::on_path_ack(ByteReader& in, Instant now) {
  PathId id{};
  AckFrame ack;
  if (!read_path_ack(in, id, ack) || !paths_.was_there(id)) return FrameVerdict::kViolation;
  PathEntry* entry = paths_.find(id);
  if (entry == nullptr || entry->is<PathEntry::Gone>()) return FrameVerdict::kTaken;
  return entry->path.on_ack_received(ack, now, *this) ? FrameVerdict::kTaken
                                                      : FrameVerdict::kViolation;
}

FrameVerdict Session::on_close(ByteReader& in, Instant) {
  CloseFrame frame;
  if (!read_close(in, frame)) return FrameVerdict::kViolation;
  const auto reason = static_cast<int>(frame.reason);
  const bool idle = reason == kEndSessionIdle && channels_.flushed();
  end_with(idle ? SessionEnd::Kind::kIdle : SessionEnd::Kind::kClosedByPeer, reason,
           as_text(frame.text));
  // RFC 9000 10.2.2: draining; we say nothing more.
  state_ = SessionEnded{};
  return FrameVerdict::kTaken;
}

void Session::receive_while_closing(SessionClosing& closing, Bytes frames) {
  // RFC 9000 10.2.1: answer with CLOSE, ever more rarely, so that two closing sides fall silent.
  ByteReader in(frames);
  auto type = static_cast<FrameType>(in.u8());
  PathId path{};  // acknowledgements may stand before CLOSE, and are of no use any more
  AckFrame ack;
  while ((type == FrameType::kAck && read_ack(in, ack)) ||
         (type == FrameType::kPathAck && read_path_ack(in, path, ack))) {
    type = static_cast<FrameType>(in.u8());
  }
  if (type == FrameType::kClose) {
    state_ = SessionEnded{};
    return;
  }
  if (std::has_single_bit(++closing.packets)) closing.owed = true;
}

// Whoever sends for ever and acknowledges nothing is no answer: what we have sent to it would be
// kept without end.
void Session::note_heard(Instant now) {
  if (paths_.idle()) {
    awaited_.reset();
  } else if (now < paths_.oldest_unacked_time() + options_.timeout_connected) {
    awaited_ = AwaitedAnswer{.since = now};
  }
}

void Session::after_packet(Arrival& arrival) {
  const Instant now = arrival.now;
  PathEntry& entry = arrival.entry;
  stage_ = HandshakeStage::kConfirmed;
  owed_.handshake_done = owed_.handshake_done && phase() == SessionPhase::kUp;
  last_received_ = now;
  entry.heard = now;
  sign_of_life_.reset();
  last_activity_ = now;
  note_heard(now);
  entry.path.on_sign_of_life(now, *this);
  const bool quiet = now >= last_message_ + kQuietLine;
  if (quality_next_ == kNever && !owed_.quality && !quiet) quality_next_ = now + kQualityInterval;
  meter_in_.add(arrival.bytes, now);
  note_source(arrival);
}

}  // namespace whimbrel
