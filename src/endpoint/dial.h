// A handshake that we began: its packets, and when they are sent again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
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
  const Initiator& initiator() const { return answered_ ? *answered_ : offers_[last_].initiator; }
  // The key of whom we talk to, once it is known.
  std::optional<PublicKey> peer_key() const;
  // Message 1 could not be made: the peer's key is of low order.
  bool broken() const { return offers_.front().packet.empty(); }

  // Answers. kNone: the caller goes on with initiator().peer(); then finish(), or reject() where it is not whom we meant.
  HandshakeError on_response(Bytes datagram, UnixMillis unix_now);
  HandshakeError on_cookie_reply(Bytes datagram, Instant now);
  HandshakeError on_version_reply(Bytes datagram, UnixMillis stamp, Instant now);
  // The answer was read and is not taken: the next one may be.
  void reject() { answered_.reset(); }
  // XX: message 3 is made and will be sent until the peer's first packet.
  void finish(UnixMillis stamp, Instant now);

  // An answer that ends the dial, if it is true. Whoever sees message 1 can make one; what is noted here is believed when
  // no better one comes.
  struct Fault {
    int reason = 0;
    std::string text;
  };
  void note_fault(int reason, std::string text);
  const std::optional<Fault>& fault() const { return fault_; }
  // XX, where who is there answers without being told to: message 1 and three repetitions got nothing better.
  bool fault_is_certain() const;

  // The packet, if it is time to send it (again).
  std::optional<Bytes> poll_packet(Instant now);
  Instant next_send() const { return next_send_; }
  // The packet has left more than once without an answer.
  bool repeats() const { return sent_ > 1; }
  // Somebody answered there, but no answer could be read: sent by anybody, so good for a hint only.
  bool answers_unreadable() const { return answers_unreadable_; }
  // Time from the first sending of what was answered to now; zero if it was sent more than once (Karn's rule, RFC 6298 3).
  Duration round_trip(Instant now) const;

 private:
  struct Offer {
    Initiator initiator;
    std::vector<std::uint8_t> packet;
    Instant first_sent{};
    unsigned sent = 0;
  };

  void restart_timer(Instant now);

  DialTarget target_;
  ReceiverIndex index_;
  Random& random_;
  Stage stage_ = Stage::kInitSent;
  // What we ask for. After a VersionReply what that led to stands behind it, and they are sent by turns, for the reply may
  // have been forged. Two at most.
  std::vector<Offer> offers_;
  std::size_t last_ = 0;               // the one that was sent last
  std::optional<Initiator> answered_;  // copy of that of the offer that was answered
  std::size_t answered_offer_ = 0;
  Instant next_send_;
  unsigned sent_ = 0;   // since the timer was started
  unsigned sends_ = 0;  // of message 1
  unsigned cookies_obeyed_ = 0;
  std::optional<Fault> fault_;
  unsigned fault_seen_at_ = 0;  // sends_ then
  unsigned faulty_sends_ = 0;   // that a fault answered
  bool answers_unreadable_ = false;
};

}  // namespace whimbrel
