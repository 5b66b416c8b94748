// A handshake that we began: its packets, and when they are sent again.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/ip_address.h"
#include "base/random.h"
#include "base/time.h"
#include "handshake/handshake.h"
#include "wire/packet.h"

namespace whimbrel {

struct DialTarget {
  IpAddress address;
  std::optional<PublicKey> key;  // known: IK; unknown: XX
};

class Dial {
 public:
  enum class Stage : std::uint8_t { kInitSent, kFinishSent };

  // `config` and `random` must outlive the dial. `index` is where answers shall go.
  Dial(const HandshakeConfig& config, const DialTarget& target, ReceiverIndex index,
       UnixMillis stamp, Random& random, Instant now);

  const IpAddress& to() const { return target_.address; }
  const std::optional<PublicKey>& expected_key() const { return target_.key; }
  ReceiverIndex index() const { return index_; }
  Stage stage() const { return stage_; }
  const Initiator& initiator() const { return initiator_; }
  // The key of whom we talk to, once it is known.
  std::optional<PublicKey> peer_key() const;
  // Message 1 could not be made: the peer's key is of low order.
  bool broken() const { return packet_.empty(); }

  // Answers. kNone: the caller goes on with initiator().peer().
  HandshakeError on_response(Bytes datagram, UnixMillis unix_now);
  HandshakeError on_cookie_reply(Bytes datagram, Instant now);
  HandshakeError on_version_reply(Bytes datagram, UnixMillis stamp, Instant now);
  // XX: message 3 is made and will be sent until the peer's first packet.
  void finish(UnixMillis stamp, Instant now);

  // The packet, if it is time to send it (again).
  std::optional<Bytes> poll_packet(Instant now);
  Instant next_send() const { return next_send_; }
  // The packet has left more than once without an answer.
  bool repeats() const { return sent_ > 1; }
  // Time from the first sending to now; zero if it was sent more than once (Karn's rule, RFC 6298 3).
  Duration round_trip(Instant now) const;

 private:
  void restart_timer(Instant now);

  DialTarget target_;
  ReceiverIndex index_;
  Random& random_;
  Initiator initiator_;
  Stage stage_ = Stage::kInitSent;
  std::vector<std::uint8_t> packet_;
  Instant first_sent_;
  Instant next_send_;
  unsigned sent_ = 0;
  unsigned cookies_obeyed_ = 0;
};

}  // namespace whimbrel
