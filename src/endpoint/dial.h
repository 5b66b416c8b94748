// A handshake that we began: its packets, where they go, and when they are sent again.
//
// Where the peer has several addresses the same message 1 goes to one after the other, until an
// answer comes: RFC 8305.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/remote.h"
#include "base/time.h"
#include "handshake/handshake.h"
#include "wire/packet.h"

namespace whimbrel {

// Further addresses of one peer are not tried.
inline constexpr std::size_t kDialAddressesMax = 8;

struct DialTarget {
  std::vector<Remote> remotes;   // in the order in which they are tried; at least one
  std::optional<PublicKey> key;  // known: IK; unknown: XX
};

class Dial {
 public:
  enum class Stage : std::uint8_t { kInitSent, kFinishSent };

  // `config` and `random` must outlive the dial. `index` is where answers shall go.
  Dial(const HandshakeConfig& config, const DialTarget& target, ReceiverIndex index,
       UnixMillis stamp, Random& random, Instant now);

  // The address that something came from last; before that the one that was tried last.
  const Remote& to() const { return attempts_[current_].to; }
  // It is tried, or will be.
  bool calls(const Remote& address) const;
  // "192.0.2.1:4000", or "[2001:db8::1]:4000 or 192.0.2.1:4000": those that were tried.
  std::string tried() const;
  // Of several that were tried this one has answered. False where the answer came from elsewhere.
  bool chose_one() const { return several_ && !elsewhere_; }
  const std::optional<PublicKey>& expected_key() const { return key_; }
  ReceiverIndex index() const { return index_; }
  Stage stage() const { return stage_; }
  const Initiator& initiator() const { return answered_ ? *answered_ : offers_.front(); }
  // The key of whom we talk to, once it is known.
  std::optional<PublicKey> peer_key() const;
  // Message 1 could not be made: the peer's key is of low order.
  bool broken() const { return attempts_.front().copies.front().packet.empty(); }

  // Answers. kNone: the caller goes on with initiator().peer(); then finish(), or reject() where it
  // is not whom we meant.
  HandshakeError on_response(const Remote& from, Bytes datagram, UnixMillis unix_now);
  HandshakeError on_cookie_reply(const Remote& from, Bytes datagram, Instant now);
  HandshakeError on_version_reply(const Remote& from, Bytes datagram, UnixMillis stamp,
                                  Instant now);
  // The answer was read and is not taken: the next one may be.
  void reject() { answered_.reset(); }
  // XX: message 3 is made and will be sent to where the answer came from, until the peer's first
  // packet.
  void finish(UnixMillis stamp, Instant now);
  // The system has no way to this address: the next one is tried at once.
  void on_unreachable(const Remote& address);

  // An answer that ends the dial, if it is true. Whoever sees message 1 can make one; what is noted
  // here is believed when no better one comes.
  struct Fault {
    int reason = 0;
    std::string text;
  };
  // Of the answer that came last.
  void note_fault(int reason, std::string text, Instant now);
  // With what was noted of each address.
  std::optional<Fault> fault() const;
  // XX, where who is there answers without being told to: message 1 and three repetitions got
  // nothing better, at any address that a way leads to.
  bool fault_is_certain() const;

  struct Packet {
    Remote to;
    Bytes bytes;
  };
  // The next packet that it is time to send (again).
  std::optional<Packet> poll_packet(Instant now);
  Instant next_send() const;
  // The packet has left more than once without an answer.
  bool repeats() const { return attempts_.front().sent > 1; }
  // Somebody answered there, but no answer could be read: sent by anybody, so good for a hint only.
  bool answers_unreadable() const { return answers_unreadable_; }
  // Time from the first sending of what was answered to now; zero if it was sent more than once
  // (Karn's rule, RFC 6298 3).
  Duration round_trip(Instant now) const;

 private:
  // A message on its way to one address: its cookie is for that alone.
  struct Copy {
    std::vector<std::uint8_t> packet;
    Instant first_sent{};
    unsigned sent = 0;
  };
  struct Attempt {
    Remote to;
    std::vector<Copy> copies;  // of each offer
    std::size_t last = 0;      // the one that was sent last
    Instant next_send{};
    unsigned sent = 0;   // since the timer was started
    unsigned sends = 0;  // of message 1
    unsigned cookies_obeyed = 0;
    std::optional<Fault> fault;
    unsigned fault_seen_at = 0;  // sends then
    unsigned faulty_sends = 0;   // that a fault answered
    bool unreachable = false;
  };

  std::vector<std::uint8_t> message_1(Initiator& initiator, UnixMillis stamp);
  Attempt& attempt_of(const Remote& from);
  void begin_next(Instant now);
  void begin_due(Instant now);
  static void restart_timer(Attempt& attempt, Instant now);

  std::optional<PublicKey> key_;
  ReceiverIndex index_;
  Random& random_;
  Stage stage_ = Stage::kInitSent;
  // What we ask for. After a VersionReply what that led to stands behind it, and they are sent by
  // turns, for the reply may have been forged. Two at most.
  std::vector<Initiator> offers_;
  std::vector<std::vector<std::uint8_t>> messages_;  // message 1 of each, without a cookie
  std::vector<Attempt> attempts_;                    // never empty
  std::vector<Remote> untried_;                      // the next one last
  Instant next_attempt_ = kNever;
  bool several_ = false;
  bool elsewhere_ = false;             // the last answer came from none of them
  std::size_t current_ = 0;            // attempt: see to()
  std::optional<Initiator> answered_;  // copy of that of the offer that was answered
  std::size_t answered_offer_ = 0;
  bool answers_unreadable_ = false;
};

}  // namespace whimbrel
