// Session, the way out: which packet leaves next, and what is in it.
#include <algorithm>

#include "session/session.h"

namespace whimbrel {

namespace {

// One UDP_SEGMENT batch: the kernel takes 64 segments and 64 KiB at most.
constexpr std::size_t kSegmentsMax = 64;
constexpr std::size_t kBatchBytesMax = 65000;
// RFC 896 bounded: below so many full packets in flight the line counts as idle and nothing is held
// back.
constexpr std::uint64_t kHoldInFlightPackets = 4;
// A packet that lacks this little of a full one is padded, so that the batch can go on.
constexpr std::size_t kPaddingMax = 40;
constexpr unsigned kClosesMax = 3;
constexpr unsigned kChallengeDoublingsMax = 8;
constexpr Duration kChallengeWaitMax = seconds(5);
constexpr std::size_t kPacketMin = kDataOverheadMax + 16;

}  // namespace

std::optional<RemoteTransmit> Session::poll_transmit(MutableBytes buffer, Instant now) {
  if (phase() == SessionPhase::kEnded) return std::nullopt;
  if (auto* closing = std::get_if<SessionClosing>(&state_))
    return transmit_close(*closing, buffer, now);
  if (silent()) return transmit_while_silent(buffer, now);
  if (auto probe = transmit_probe(paths_.active(), buffer, now)) return probe;
  if (paths_.several()) {
    if (auto aside = transmit_aside(buffer, now)) return aside;
  }
  if (!paths_.active().usable()) {
    // Whoever would speak and can't waits for an answer, too.
    const bool waits = channels_.has_frames() || has_control() || path().probes_owed() > 0;
    if (!awaited_ && waits) awaited_ = AwaitedAnswer{.since = now};
    cut_off_ = waits || path().ack_due(now);
    return std::nullopt;
  }
  auto batch = transmit_batch(buffer, now);
  count_expired();
  if (batch) return batch;
  if (auto* lingering = std::get_if<SessionLingering>(&state_);
      lingering != nullptr && channels_.drained()) {
    enter_closing(std::move(lingering->words), now);
    return transmit_close(std::get<SessionClosing>(state_), buffer, now);
  }
  if (const auto size = path().mtu_probe_size(now);
      size && confirmed() && channels_.flushed() == false && *size <= buffer.size()) {
    if (const std::size_t bytes = build_mtu_probe(buffer, *size, now)) {
      return RemoteTransmit{remote(), bytes, bytes};
    }
  }
  const bool waiting = channels_.has_frames();
  path().set_waiting(waiting && hold_since_ == kNever);
  if (!waiting) path().on_app_limited();
  return std::nullopt;
}

std::optional<RemoteTransmit> Session::transmit_batch(MutableBytes buffer, Instant now) {
  // The next batch is built when the copies of this one have left.
  static_assert(kDoubledMax >= kSegmentsMax, "in doubt all of a batch leaves on the second path");
  maybe_update_keys(now);
  PathEntry& entry = paths_.active();
  std::size_t full = entry.path.datagram_size();
  if (const PathEntry* also = paths_.also()) full = std::min(full, also->path.datagram_size());
  std::size_t segment = full;
  std::size_t size = 0;
  for (std::size_t count = 0; count < kSegmentsMax; ++count) {
    if (size + segment > std::min(buffer.size(), kBatchBytesMax)) break;
    const std::size_t bytes =
        build_data_packet(entry, buffer.subspan(size, segment), now, segment < full);
    size += bytes;
    if (count == 0 && sets_segment(bytes, full)) segment = bytes;
    if (bytes < segment) break;
  }
  if (size == 0) return std::nullopt;
  return RemoteTransmit{entry.remote, size, std::min(size, segment)};
}

// All packets of a batch but the last have the size of the first. Where a message of more than half
// a packet leaves alone and others wait that did not fit beside it, they are often as long: they
// may follow in packets of its size.
bool Session::sets_segment(std::size_t bytes, std::size_t full) const {
  return bytes > full / 2 && bytes < full && path().probes_owed() == 0 && channels_.has_frames();
}

bool Session::has_control() const { return owed_.handshake_done || owed_.ping || paths_.owes(); }

bool Session::write_handshake_done(ByteWriter& out) {
  if (!owed_.handshake_done) return false;
  out.u8(static_cast<std::uint8_t>(FrameType::kHandshakeDone));
  records_.push_back(SentFrame{FrameType::kHandshakeDone, 0, 0, 0, 0});
  owed_.handshake_done = false;
  return true;
}

// Rides on whatever leaves, acknowledgements too: a side that only receives has nothing else.
bool Session::write_quality(ByteWriter& out, Instant now) {
  if (!owed_.quality || out.remaining() < 2) return false;
  out.u8(static_cast<std::uint8_t>(FrameType::kQuality));
  out.u8(*owed_.quality);
  owed_.quality.reset();
  quality_next_ = now + kQualityInterval;
  return true;
}

// RFC 896 with a bound: true when a part-full packet should wait for more because the line is busy.
bool Session::hold_for_more(std::size_t room, Instant now) {
  const std::uint64_t waiting = channels_.pending_reliable() + channels_.pending_unreliable();
  const bool busy = path().bytes_in_flight() >= kHoldInFlightPackets * path().datagram_size();
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

// What leaves in the next packet of a path, other than acknowledgements.
bool Session::may_send_data(PathEntry& entry, std::size_t room, Instant now) {
  if (entry.path.probes_owed() > 0) return true;
  if (&entry != &paths_.active()) return entry.probe_owed && entry.path.send_allowance(now) > 0;
  const bool control = has_control();
  const bool data = (control || channels_.has_frames()) && entry.path.send_allowance(now) > 0;
  if (!data) {
    hold_since_ = kNever;
    return false;
  }
  return control || !hold_for_more(room, now);
}

std::size_t Session::build_data_packet(PathEntry& entry, MutableBytes out, Instant now,
                                       bool whole) {
  Path& path = entry.path;
  const bool active = &entry == &paths_.active();
  const std::size_t limit = std::min(out.size(), path.amplification_allowance());
  if (limit < kPacketMin || keys_.exhausted()) return 0;
  const PacketNumber number = path.next_packet_number();
  const std::uint8_t number_size = packet_number_size(number, path.next_unacked());
  const std::size_t head = 5u + number_size;
  const std::size_t room = limit - head - kTagSize;
  const bool probe = path.probes_owed() > 0;
  const bool data = may_send_data(entry, room, now);
  const bool other_acks = active && paths_.several() && owes_other_acks(now);
  if (!data && !other_acks && !path.ack_due(now)) return 0;

  ByteWriter writer(out.subspan(head, room));
  records_.clear();
  bool eliciting = false;
  if (path.has_ack()) {
    AckFrame ack;
    path.make_ack(ack, now);
    if (write_ack(writer, ack) > 0) path.on_ack_written(now);
  }
  if (other_acks) write_other_acks(writer, now);
  const std::size_t acks_end = writer.size();
  // On a quiet line an acknowledgement asks for none itself.
  if (data || now < last_message_ + kQuietLine) eliciting = write_quality(writer, now);
  if (data && active) eliciting = write_content(writer, now, whole) || eliciting;
  const bool asks = owed_.ping || probe || entry.probe_owed;
  if (!eliciting && writer.remaining() > 0 &&
      ((data && asks) || (writer.size() > 0 && path.wants_ping_with_ack(now)))) {
    writer.u8(static_cast<std::uint8_t>(FrameType::kPing));
    eliciting = true;
  }
  if (writer.size() == 0) return 0;
  if (eliciting) entry.probe_owed = false;
  if (eliciting && active) owed_.ping = false;
  if (data && active && writer.remaining() > 0 && writer.remaining() <= kPaddingMax &&
      limit == out.size() && channels_.has_frames()) {
    writer.zeros(writer.remaining());
  }
  if (active && eliciting && paths_.also() != nullptr)
    double_packet(Bytes(out).subspan(head + acks_end, writer.size() - acks_end), now);
  const std::size_t bytes = seal(entry, out, writer.size(), head, number);
  path.on_packet_sent(now, bytes, eliciting,
                      probe && eliciting ? PacketPurpose::kPtoProbe : PacketPurpose::kNormal,
                      records_);
  sent(bytes, eliciting, now);
  if (!channels_.has_frames()) flush_ = false;
  return bytes;
}

bool Session::write_content(ByteWriter& out, Instant now, bool whole) {
  bool wrote = write_handshake_done(out);
  if (paths_.owes()) wrote = write_path_frames(out) || wrote;
  return channels_.produce(out, records_, now, whole) || wrote;
}

std::size_t Session::seal(PathEntry& entry, MutableBytes out, std::size_t plain_size,
                          std::size_t header_size, PacketNumber number) {
  const auto number_size = static_cast<std::uint8_t>(header_size - 5);
  write_data_header(out.data(), keys_.phase(), entry.remote_index, number, number_size);
  keys_.seal(value(entry.id()), value(number), out.first(header_size), out.data() + header_size,
             plain_size);
  return header_size + plain_size + kTagSize;
}

void Session::sent(std::size_t bytes, bool ack_eliciting, Instant now) {
  meter_out_.add(bytes, now);
  if (ack_eliciting) {
    last_activity_ = now;
    if (!awaited_) awaited_ = AwaitedAnswer{.since = now};
  }
}

std::size_t Session::build_single(PathEntry& entry, MutableBytes out, Instant now, FrameType type,
                                  const PathData& data) {
  const PacketNumber number = entry.path.next_packet_number();
  const std::uint8_t number_size = packet_number_size(number, entry.path.next_unacked());
  const std::size_t head = 5u + number_size;
  ByteWriter writer(out.subspan(head, out.size() - head - kTagSize));
  write_path_data(writer, type, data);
  const std::size_t bytes = seal(entry, out, writer.size(), head, number);
  // Sent to an address that may not answer: its loss must not count as congestion of this path, so
  // it isn't tracked.
  entry.path.on_packet_sent(now, bytes, false, PacketPurpose::kNormal, {});
  sent(bytes, false, now);
  return bytes;
}

// A challenge, or an answer to one.
std::optional<RemoteTransmit> Session::transmit_probe(PathEntry& entry, MutableBytes buffer,
                                                      Instant now) {
  // A peer that asks without end and acknowledges nothing gets no answer any more.
  const bool full = entry.path.full() || keys_.exhausted();
  if (entry.response && entry.carrier != CarrierState::kDown) {
    const auto response = std::move(entry.response);
    if (full) return std::nullopt;
    const std::size_t bytes =
        build_single(entry, buffer, now, FrameType::kPathResponse, response->second);
    return RemoteTransmit{response->first, bytes, bytes};
  }
  auto* probing = entry.as<PathEntry::Probing>();
  Validation* validation = probing != nullptr ? probing->validation.get() : entry.validation.get();
  if (validation == nullptr || now < validation->next_send) return std::nullopt;
  Validation& v = *validation;
  // RFC 9000 8.1: at most three times what came from there. A relay brings nothing to whom did not
  // ask for it.
  const bool limited = v.to.relay() == nullptr && v.bytes_sent + kPacketMin > 3 * v.bytes_received;
  const Duration wait = entry.path.probe_timeout();
  if (limited || full || entry.carrier == CarrierState::kDown) {
    v.next_send = now + wait;
    ++v.sent;
    return std::nullopt;
  }
  const std::size_t bytes =
      build_single(entry, buffer, now, FrameType::kPathChallenge, v.challenge);
  v.bytes_sent += bytes;
  if (v.challenged_at == kNever) v.challenged_at = now;
  v.next_send =
      now + std::min(wait * (1 << std::min(v.sent, kChallengeDoublingsMax)), kChallengeWaitMax);
  ++v.sent;
  return RemoteTransmit{v.to, bytes, bytes};
}

std::size_t Session::build_mtu_probe(MutableBytes out, std::size_t size, Instant now) {
  if (keys_.exhausted()) return 0;
  PathEntry& entry = paths_.active();
  const PacketNumber number = entry.path.next_packet_number();
  const std::uint8_t number_size = packet_number_size(number, entry.path.next_unacked());
  const std::size_t head = 5u + number_size;
  ByteWriter writer(out.subspan(head, size - head - kTagSize));
  writer.u8(static_cast<std::uint8_t>(FrameType::kPing));
  writer.zeros(writer.remaining());
  const std::size_t bytes = seal(entry, out, writer.size(), head, number);
  entry.path.on_packet_sent(now, bytes, true, PacketPurpose::kMtuProbe, {});
  sent(bytes, true, now);
  return bytes;
}

// What arrived is acknowledged with CLOSE, on whatever path it came, once more if need be, for that
// packet may be lost or late: the peer must not take for lost what was delivered.
void Session::write_all_acks(PathEntry& entry, ByteWriter& out, Instant now) {
  paths_.for_each([&](PathEntry& one) {
    if (one.is<PathEntry::Gone>() || !one.path.can_ack()) return;
    AckFrame ack;
    one.path.make_ack(ack, now);
    if (&one == &entry) {
      if (write_ack(out, ack) > 0) one.path.on_ack_written(now);
    } else if (write_path_ack(out, one.id(), ack) > 0) {
      one.path.on_ack_written_elsewhere();
    }
  });
}

std::size_t Session::build_close(PathEntry& entry, const ClosingWords& words, MutableBytes out,
                                 Instant now) {
  Path& path = entry.path;
  const PacketNumber number = path.next_packet_number();
  const std::uint8_t number_size = packet_number_size(number, path.next_unacked());
  const std::size_t head = 5u + number_size;
  ByteWriter writer(out.subspan(head, out.size() - head - kTagSize));
  if (writer.remaining() > kCloseSizeMax) {
    ByteWriter before_close({writer.position(), writer.remaining() - kCloseSizeMax});
    write_all_acks(entry, before_close, now);
    writer.skip(before_close.size());
  }
  write_close(writer, {static_cast<std::uint32_t>(words.reason), as_bytes(words.text)});
  const std::size_t bytes = seal(entry, out, writer.size(), head, number);
  path.on_packet_sent(now, bytes, false, PacketPurpose::kNormal, {});
  sent(bytes, false, now);
  return bytes;
}

std::optional<RemoteTransmit> Session::transmit_close(SessionClosing& closing, MutableBytes buffer,
                                                      Instant now) {
  if (auto doubled = transmit_doubled(buffer)) return doubled;
  // RFC 9001 6.6: whose keys are used up, or were attacked too often, says so and ends. The
  // endpoint has kept back what these few packets need.
  PathEntry& entry = paths_.active();
  if (!closing.owed || !entry.usable()) return std::nullopt;
  const std::size_t allowance = entry.path.amplification_allowance();
  if (allowance < kPacketMin + kCloseSizeMax) return std::nullopt;
  closing.owed = false;
  closing.repeat_at = ++closing.said < kClosesMax ? now + entry.path.probe_timeout() : kNever;
  const std::size_t bytes =
      build_close(entry, closing.words, buffer.first(std::min(kDatagramSizeMin, allowance)), now);
  if (PathEntry* also = paths_.also(); also != nullptr && also != &entry && also->usable()) {
    std::vector<std::uint8_t> packet(kDatagramSizeMin);
    packet.resize(build_close(*also, closing.words, packet, now));
    doubled_.push_back({also->remote, std::move(packet)});
  }
  return RemoteTransmit{entry.remote, bytes, bytes};
}

// RFC 9001 6.1: not before a packet of the current phase was acknowledged, nor while the old key is
// kept.
void Session::maybe_update_keys(Instant now) {
  if (!keys_.update_due() || keys_.has_old_key()) return;
  bool confirmed = false;
  paths_.for_each([&](const PathEntry& entry) {
    confirmed = confirmed || entry.path.next_unacked() > value(entry.phase_first);
  });
  if (!confirmed) return;
  keys_.update();
  begin_phase(now);
}

// Of the next packets on each path on. RFC 9001 6.5: the old key is kept for three probe timeouts.
void Session::begin_phase(Instant now) {
  Duration wait = path().probe_timeout();
  paths_.for_each([&](PathEntry& entry) {
    entry.phase_first = entry.path.next_packet_number();
    if (entry.usable()) wait = std::max(wait, entry.path.probe_timeout());
  });
  old_key_until_ = now + 3 * wait;
}

}  // namespace whimbrel
