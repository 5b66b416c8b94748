// Session, roaming: the peer's packets come from another address. Data goes on to the old one until the new one has
// answered a challenge (RFC 9000 9.3), so that a copied packet with a forged source moves nothing.
#include <algorithm>

#include "session/session.h"

namespace whimbrel {

namespace {
// Three challenges, a probe timeout apart and doubling, then the address is given up.
constexpr unsigned kChallengesMax = 4;
}  // namespace

void Session::on_address_change(const Remote& from, Instant now) {
  Validation validation;
  validation.address = from;
  random_.fill(validation.challenge.data);
  validation.next_send = now;
  validation_ = validation;
}

void Session::advance_validation(Instant now) {
  if (!validation_ || now < validation_->next_send) return;
  if (validation_->sent < kChallengesMax) return;  // transmit_probe() sends the next one
  count_drop(Count::kDroppedSpoofedAddress);
  validation_.reset();
}

void Session::on_path_response(const PathData& frame, Instant now) {
  if (!validation_ || frame.data != validation_->challenge.data) return;
  // RFC 9000 9.4: only the port changed: most likely a NAT that forgot us; the way is the same.
  const Validation validated = *validation_;
  const bool same_host = validated.address.same_host(remote_);
  remote_ = validated.address;
  validation_.reset();
  path_.set_address_validated();
  if (same_host) {
    // What has gone to the old address is asked for at once, not after a back-off.
    if (!path_.idle()) path_.owe_probe(*this);
    return;
  }
  // RFC 9002 6.2.2: what the challenge took stands for the new way's round trip until there is a sample, so that what was
  // lost on the old one is probed for soon. Only when it left once: otherwise nobody knows which one was answered.
  const bool timed = validated.sent == 1;
  path_.reset_for_new_route(now,
                            timed ? std::optional(now - validated.challenged_at) : std::nullopt);
}

// RFC 9000 9: only a packet that opens moves a peer, and a handshake packet doesn't. Nobody acknowledges this one while the
// peer has not accepted us, so it is not tracked: the next FinishXX brings the next one.
std::optional<RemoteTransmit> Session::transmit_while_silent(MutableBytes buffer, Instant now) {
  if (!address_owed_ || keys_.exhausted()) return std::nullopt;
  address_owed_ = false;
  const PacketNumber number = path_.next_packet_number();
  const std::uint8_t number_size = packet_number_size(number, path_.next_unacked());
  const std::size_t head = 5u + number_size;
  ByteWriter writer(buffer.subspan(head, buffer.size() - head - kTagSize));
  writer.u8(static_cast<std::uint8_t>(FrameType::kPing));
  const std::size_t bytes = seal(buffer, writer.size(), head, number);
  path_.on_packet_sent(now, bytes, false, PacketPurpose::kNormal, {});
  sent(bytes, false, now);
  return RemoteTransmit{remote_, bytes, bytes};
}

}  // namespace whimbrel
