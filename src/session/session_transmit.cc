// Session, the way out: which packet leaves next, and what is in it.
#include <algorithm>

#include "session/session.h"

namespace whimbrel {

namespace {

// One UDP_SEGMENT batch: the kernel takes 64 segments and 64 KiB at most.
constexpr std::size_t kSegmentsMax = 64;
constexpr std::size_t kBatchBytesMax = 65000;
// RFC 896 bounded: below so many full packets in flight the line counts as idle and nothing is held back.
constexpr std::uint64_t kHoldInFlightPackets = 4;
// A packet that lacks this little of a full one is padded, so that the batch can go on.
constexpr std::size_t kPaddingMax = 40;
constexpr unsigned kClosesMax = 3;
constexpr std::size_t kPacketMin = kDataOverheadMax + 16;

}  // namespace

std::optional<RemoteTransmit> Session::poll_transmit(MutableBytes buffer, Instant now) {
  if (silent_ && phase_ != SessionPhase::kClosing) return transmit_while_silent(buffer, now);
  switch (phase_) {
    case SessionPhase::kEnded:
      return std::nullopt;
    case SessionPhase::kClosing:
      return transmit_close(buffer, now);
    case SessionPhase::kUp:
    case SessionPhase::kLingering:
      break;
  }
  if (auto probe = transmit_probe(buffer, now)) return probe;
  auto batch = transmit_batch(buffer, now);
  count_expired();
  if (batch) return batch;
  if (phase_ == SessionPhase::kLingering && channels_.drained()) {
    enter_closing(now);
    return transmit_close(buffer, now);
  }
  if (const auto size = path_.mtu_probe_size(now);
      size && confirmed_ && channels_.flushed() == false && *size <= buffer.size()) {
    if (const std::size_t bytes = build_mtu_probe(buffer, *size, now)) {
      return RemoteTransmit{remote_, bytes, bytes};
    }
  }
  const bool waiting = channels_.has_frames();
  path_.set_waiting(waiting && hold_since_ == kNever);
  if (!waiting) path_.on_app_limited();
  return std::nullopt;
}

std::optional<RemoteTransmit> Session::transmit_batch(MutableBytes buffer, Instant now) {
  maybe_update_keys(now);
  const std::size_t full = path_.datagram_size();
  std::size_t segment = full;
  std::size_t size = 0;
  for (std::size_t count = 0; count < kSegmentsMax; ++count) {
    if (size + segment > std::min(buffer.size(), kBatchBytesMax)) break;
    const std::size_t bytes = build_data_packet(buffer.subspan(size, segment), now, segment < full);
    size += bytes;
    if (count == 0 && sets_segment(bytes, full)) segment = bytes;
    if (bytes < segment) break;
  }
  if (size == 0) return std::nullopt;
  return RemoteTransmit{remote_, size, std::min(size, segment)};
}

// All packets of a batch but the last have the size of the first. Where a message of more than half a packet leaves
// alone and others wait that did not fit beside it, they are often as long: they may follow in packets of its size.
bool Session::sets_segment(std::size_t bytes, std::size_t full) const {
  return bytes > full / 2 && bytes < full && path_.probes_owed() == 0 && channels_.has_frames();
}

bool Session::has_control(Instant) const { return handshake_done_owed_ || ping_owed_; }

bool Session::write_handshake_done(ByteWriter& out) {
  if (!handshake_done_owed_) return false;
  out.u8(static_cast<std::uint8_t>(FrameType::kHandshakeDone));
  records_.push_back(SentFrame{FrameType::kHandshakeDone, 0, 0, 0, 0});
  handshake_done_owed_ = false;
  return true;
}

// Rides on whatever leaves, acknowledgements too: a side that only receives has nothing else.
bool Session::write_quality(ByteWriter& out, Instant now) {
  if (!quality_owed_ || out.remaining() < 2) return false;
  out.u8(static_cast<std::uint8_t>(FrameType::kQuality));
  out.u8(*quality_owed_);
  quality_owed_.reset();
  quality_next_ = now + kQualityInterval;
  return true;
}

// RFC 896 with a bound: true when a part-full packet should wait for more because the line is busy.
bool Session::hold_for_more(std::size_t room, Instant now) {
  const std::uint64_t waiting = channels_.pending_reliable() + channels_.pending_unreliable();
  const bool busy = path_.bytes_in_flight() >= kHoldInFlightPackets * path_.datagram_size();
  if (flush_ || waiting >= room || waiting == 0 || !busy ||
      options_.nagle_max <= Duration::zero()) {
    hold_since_ = kNever;
    return false;
  }
  if (hold_since_ == kNever) hold_since_ = now;
  if (now < hold_since_ + options_.nagle_max) return true;
  hold_since_ = kNever;
  return false;
}

std::size_t Session::build_data_packet(MutableBytes out, Instant now, bool whole) {
  const std::size_t limit = std::min(out.size(), path_.amplification_allowance());
  if (limit < kPacketMin || keys_.exhausted()) return 0;
  const PacketNumber number = path_.next_packet_number();
  const std::uint8_t number_size = packet_number_size(number, path_.next_unacked());
  const std::size_t head = 5u + number_size;
  const std::size_t room = limit - head - kTagSize;
  const bool probe = path_.probes_owed() > 0;
  bool data = probe;
  if (!data && (has_control(now) || channels_.has_frames())) data = path_.send_allowance(now) > 0;
  if (!data) {
    hold_since_ = kNever;
  } else if (!probe && !has_control(now) && hold_for_more(room, now)) {
    data = false;
  }
  if (!data && !path_.ack_due(now)) return 0;

  ByteWriter writer(out.subspan(head, room));
  records_.clear();
  bool eliciting = false;
  if (path_.has_ack()) {
    AckFrame ack;
    path_.make_ack(ack, now);
    if (write_ack(writer, ack) > 0) path_.on_ack_written(now);
  }
  // On a quiet line an acknowledgement asks for none itself.
  if (data || now < last_message_ + kQuietLine) eliciting = write_quality(writer, now);
  if (data) {
    eliciting = write_handshake_done(writer) || eliciting;
    const bool wrote = channels_.produce(writer, records_, now, whole);
    eliciting = eliciting || wrote;
  }
  if (!eliciting && writer.remaining() > 0 &&
      ((data && (ping_owed_ || probe)) || (writer.size() > 0 && path_.wants_ping_with_ack(now)))) {
    writer.u8(static_cast<std::uint8_t>(FrameType::kPing));
    eliciting = true;
  }
  if (writer.size() == 0) return 0;
  if (eliciting) ping_owed_ = false;
  if (data && writer.remaining() > 0 && writer.remaining() <= kPaddingMax && limit == out.size() &&
      channels_.has_frames()) {
    writer.zeros(writer.remaining());
  }
  const std::size_t bytes = seal(out, writer.size(), head, number);
  path_.on_packet_sent(now, bytes, eliciting,
                       probe && eliciting ? PacketPurpose::kPtoProbe : PacketPurpose::kNormal,
                       records_);
  sent(bytes, eliciting, now);
  if (!channels_.has_frames()) flush_ = false;
  return bytes;
}

std::size_t Session::seal(MutableBytes out, std::size_t plain_size, std::size_t header_size,
                          PacketNumber number) {
  const auto number_size = static_cast<std::uint8_t>(header_size - 5);
  write_data_header(out.data(), keys_.phase(), remote_index_, number, number_size);
  keys_.seal(value(path_.id()), value(number), out.first(header_size), out.data() + header_size,
             plain_size);
  return header_size + plain_size + kTagSize;
}

void Session::sent(std::size_t bytes, bool ack_eliciting, Instant now) {
  meter_out_.add(bytes, now);
  if (ack_eliciting) {
    last_activity_ = now;
    if (awaiting_since_ == kNever) awaiting_since_ = now;
  }
}

std::size_t Session::build_single(MutableBytes out, Instant now, FrameType type,
                                  const PathData& data) {
  const PacketNumber number = path_.next_packet_number();
  const std::uint8_t number_size = packet_number_size(number, path_.next_unacked());
  const std::size_t head = 5u + number_size;
  ByteWriter writer(out.subspan(head, out.size() - head - kTagSize));
  write_path_data(writer, type, data);
  const std::size_t bytes = seal(out, writer.size(), head, number);
  // Sent to an address that may not answer: its loss must not count as congestion of this path, so it isn't tracked.
  path_.on_packet_sent(now, bytes, false, PacketPurpose::kNormal, {});
  sent(bytes, false, now);
  return bytes;
}

std::optional<RemoteTransmit> Session::transmit_probe(MutableBytes buffer, Instant now) {
  if (response_) {
    const Response response = *response_;
    response_.reset();
    // A peer that asks without end and acknowledges nothing gets no answer any more.
    if (path_.full() || keys_.exhausted()) return std::nullopt;
    const std::size_t bytes = build_single(buffer, now, FrameType::kPathResponse, response.data);
    return RemoteTransmit{response.to, bytes, bytes};
  }
  if (!validation_ || now < validation_->next_send) return std::nullopt;
  Validation& v = *validation_;
  // RFC 9000 8.1: at most three times what came from there. And nothing to who moves without end and acknowledges nothing.
  if (v.bytes_sent + kPacketMin > 3 * v.bytes_received || path_.full() || keys_.exhausted()) {
    v.next_send = now + path_.probe_timeout();
    ++v.sent;
    return std::nullopt;
  }
  const std::size_t bytes = build_single(buffer, now, FrameType::kPathChallenge, v.challenge);
  v.bytes_sent += bytes;
  if (v.challenged_at == kNever) v.challenged_at = now;
  v.next_send = now + path_.probe_timeout() * (1 << v.sent);
  ++v.sent;
  return RemoteTransmit{v.address, bytes, bytes};
}

std::size_t Session::build_mtu_probe(MutableBytes out, std::size_t size, Instant now) {
  if (keys_.exhausted()) return 0;
  const PacketNumber number = path_.next_packet_number();
  const std::uint8_t number_size = packet_number_size(number, path_.next_unacked());
  const std::size_t head = 5u + number_size;
  ByteWriter writer(out.subspan(head, size - head - kTagSize));
  writer.u8(static_cast<std::uint8_t>(FrameType::kPing));
  writer.zeros(writer.remaining());
  const std::size_t bytes = seal(out, writer.size(), head, number);
  path_.on_packet_sent(now, bytes, true, PacketPurpose::kMtuProbe, {});
  sent(bytes, true, now);
  return bytes;
}

std::size_t Session::build_close(MutableBytes out, Instant now) {
  const PacketNumber number = path_.next_packet_number();
  const std::uint8_t number_size = packet_number_size(number, path_.next_unacked());
  const std::size_t head = 5u + number_size;
  ByteWriter writer(out.subspan(head, out.size() - head - kTagSize));
  // What arrived is acknowledged with it, once more if need be, for that packet may be lost or late: the peer must not take
  // for lost what was delivered.
  if (path_.can_ack() && writer.remaining() > kCloseSizeMax) {
    AckFrame ack;
    path_.make_ack(ack, now);
    ByteWriter before_close({writer.position(), writer.remaining() - kCloseSizeMax});
    if (write_ack(before_close, ack) > 0) path_.on_ack_written(now);
    writer.skip(before_close.size());
  }
  write_close(writer, {static_cast<std::uint32_t>(close_reason_), as_bytes(close_text_)});
  const std::size_t bytes = seal(out, writer.size(), head, number);
  path_.on_packet_sent(now, bytes, false, PacketPurpose::kNormal, {});
  sent(bytes, false, now);
  return bytes;
}

std::optional<RemoteTransmit> Session::transmit_close(MutableBytes buffer, Instant now) {
  // RFC 9001 6.6: whose keys are used up, or were attacked too often, says so and ends. The endpoint has kept back what
  // these few packets need.
  if (!close_owed_) return std::nullopt;
  if (path_.amplification_allowance() < kPacketMin + kCloseSizeMax) return std::nullopt;
  close_owed_ = false;
  close_repeat_at_ = ++closes_said_ < kClosesMax ? now + path_.probe_timeout() : kNever;
  const std::size_t bytes =
      build_close(buffer.first(std::min(kDatagramSizeMin, path_.amplification_allowance())), now);
  return RemoteTransmit{remote_, bytes, bytes};
}

// RFC 9001 6.1: not before a packet of the current phase was acknowledged, nor while the old key is kept.
void Session::maybe_update_keys(Instant now) {
  if (!keys_.update_due() || keys_.has_old_key()) return;
  if (path_.next_unacked() <= value(phase_first_)) return;
  keys_.update();
  phase_first_ = path_.next_packet_number();
  old_key_until_ = now + 3 * path_.probe_timeout();
}

}  // namespace whimbrel
