// Session, roaming: the peer's packets come from another remote than before. To a new address data
// goes only when it has answered a challenge (RFC 9000 9.3), so that a copied packet with a forged
// source moves nothing.
#include <algorithm>

#include "session/session.h"

namespace whimbrel {

namespace {
// Three challenges, a probe timeout apart and doubling, then the address is given up.
constexpr unsigned kChallengesMax = 4;
}  // namespace

std::unique_ptr<Validation> Session::new_validation(const Remote& to, Instant now) {
  auto validation = std::make_unique<Validation>();
  validation->to = to;
  random_.fill(validation->challenge.data);
  validation->next_send = now;
  return validation;
}

// Where a packet that opened has come from.
void Session::note_source(Arrival& arrival) {
  PathEntry& entry = arrival.entry;
  const Remote& from = arrival.from;
  if (entry.is<PathEntry::Opening>()) return on_first_packet(arrival);
  if (from == entry.remote) {
    // next_unacked() is not 0 when something that went to this address has been acknowledged.
    if (entry.proof == AddressProof::kKeys || entry.path.next_unacked() > 0)
      entry.path.set_address_validated();
    if (auto* probing = entry.as<PathEntry::Probing>())
      probing->validation->bytes_received += arrival.bytes;
    on_path_works(entry, arrival.now);
    return;
  }
  if (from.relay() != nullptr) return on_other_relay(arrival);
  // Packets of one path do not change from a relay to an address.
  if (from.udp() == nullptr || entry.remote.udp() == nullptr) return;
  if (entry.validation && entry.validation->to == from) {
    entry.validation->bytes_received += arrival.bytes;
  } else if (!entry.is<PathEntry::Probing>() && arrival.is_newest && arrival.now >= stays_until_) {
    entry.validation = new_validation(from, arrival.now);
    entry.validation->bytes_received = arrival.bytes;
  }
}

void Session::advance_validation(PathEntry& entry, Instant now) {
  if (!entry.validation || now < entry.validation->next_send) return;
  if (entry.validation->sent < kChallengesMax) return;  // transmit_probe() sends the next one
  count_drop(Count::kDroppedSpoofedAddress);
  entry.validation.reset();
}

void Session::on_path_response(PathEntry& entry, const PathData& frame, Instant now) {
  if (auto* probing = entry.as<PathEntry::Probing>()) {
    const Validation asked = *probing->validation;
    if (frame.data != asked.challenge.data) return;
    entry.path.set_address_validated();
    if (asked.sent == 1) entry.path.on_handshake_rtt(now - asked.challenged_at);
    return on_path_works(entry, now);
  }
  if (!entry.validation || frame.data != entry.validation->challenge.data) return;
  // RFC 9000 9.4: only the port changed: most likely a NAT that forgot us; the way is the same.
  const Validation validated = *entry.validation;
  entry.validation.reset();
  const bool same_host = validated.to.same_host(entry.remote);
  entry.remote = validated.to;
  entry.path.set_address_validated();
  if (same_host) {
    // What has gone to the old address is asked for at once, not after a back-off.
    if (!entry.path.idle()) entry.path.owe_probe(*this);
    return;
  }
  // RFC 9002 6.2.2: what the challenge took stands for the new way's round trip until there is a
  // sample, so that what was lost on the old one is probed for soon. Only when it left once:
  // otherwise nobody knows which one was answered.
  const bool timed = validated.sent == 1;
  entry.path.reset_for_new_route(
      now, timed ? std::optional(now - validated.challenged_at) : std::nullopt);
}

// RFC 9000 9: only a packet that opens moves a peer, and a handshake packet doesn't. Nobody
// acknowledges this one while the peer has not accepted us, so it is not tracked: the next FinishXX
// brings the next one.
std::optional<RemoteTransmit> Session::transmit_while_silent(MutableBytes buffer, Instant now) {
  PathEntry& entry = paths_.first();
  if (!owed_.address || keys_.exhausted() || !entry.usable()) return std::nullopt;
  owed_.address = false;
  const PacketNumber number = entry.path.next_packet_number();
  const std::uint8_t number_size = packet_number_size(number, entry.path.next_unacked());
  const std::size_t head = 5u + number_size;
  ByteWriter writer(buffer.subspan(head, buffer.size() - head - kTagSize));
  writer.u8(static_cast<std::uint8_t>(FrameType::kPing));
  const std::size_t bytes = seal(entry, buffer, writer.size(), head, number);
  entry.path.on_packet_sent(now, bytes, false, PacketPurpose::kNormal, {});
  sent(bytes, false, now);
  return RemoteTransmit{entry.remote, bytes, bytes};
}

}  // namespace whimbrel
