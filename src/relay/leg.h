// The client's end of a leg to one relay: opens a slot, keeps it, makes and binds grants, and puts
// payloads into packets.
//
// Sans-I/O, one driver. It opens again by itself when the relay has forgotten it or is silent, as
// long as it has a token. After a silence it first asks for the slot that it had: a relay that was
// merely out of reach still has it, and peers know it. A relay that was started again answers an
// Open only, so a leg that hears nothing sends one before it is lost.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <variant>
#include <vector>

#include "base/ip_address.h"
#include "base/random.h"
#include "base/time.h"
#include "crypto/replay_window.h"
#include "relay/grant.h"
#include "relay/leg_keys.h"
#include "relay/token.h"

namespace whimbrel::relay {

// What the rendezvous gives a client for one relay.
struct Ticket {
  IpAddress relay;
  std::vector<std::uint8_t> token;
  Secret secret;
};

// There is a new slot. Grants that were made before are void.
struct LegOpened {
  SlotId slot;
  IpAddress observed;
  bool forgotten = false;  // the relay no longer knew the slot that we had: it was started again
};
// The leg was lost to silence and works again, with its slot, grants and bindings.
struct LegResumed {};
// The leg is not open any more, or could not be opened. It tries again unless it needs a new
// ticket.
struct LegLost {
  enum class Why : std::uint8_t { kSilence, kClosed, kRefused, kNoToken } why{};
  Refusal refusal{};  // kRefused
};
// The relay's answer to a grant that was to be bound.
struct LegBound {
  SlotId slot;
  BindResult result{};
};
// A peer's slot or grant has ended: packets to it would be dropped.
struct LegPeerGone {
  SlotId slot;
};
struct LegDraining {
  Duration left{};
};
// What we send gets no answer at all: prepare another path. Ends with LegHeard or LegLost.
struct LegSuspected {};
struct LegHeard {};
using LegEvent = std::variant<LegOpened, LegResumed, LegLost, LegBound, LegPeerGone, LegDraining,
                              LegSuspected, LegHeard>;

class Leg {
 public:
  enum class State : std::uint8_t { kClosed, kOpening, kOpen };

  // `random` must outlive the leg.
  explicit Leg(Random& random) : random_(random) {}

  // Begins to open, or goes on with a newer token. A leg is for one relay only.
  void open(const Ticket& ticket, Instant now);
  // Tells the relay with one packet, which may be lost.
  void close();

  struct Received {
    SlotId from;
    MutableBytes payload;  // within the datagram
  };
  // A datagram from the relay's address. Returns the payload, if it brings one.
  std::optional<Received> receive(MutableBytes datagram, Instant now);
  void advance(Instant now);
  // The next packet of our own, with its size. `buffer` has kOpenSizeMax bytes.
  std::size_t poll_transmit(MutableBytes buffer, Instant now);
  std::optional<LegEvent> poll_event();
  Instant next_deadline() const;

  // Makes a grant that lets `peer` send to us until then. Only while open.
  Grant make_grant(const IdentityHash& peer, std::int64_t not_after_unix) const;
  // Ends all grants made before, and the bindings made from them. Only while open.
  void revoke_grants();
  // Asks the relay for a binding to the slot of the grant; LegBound answers.
  void bind(const Grant& grant, Instant now);
  void unbind(SlotId slot);
  // The relay's number for the binding to this slot. Nothing: not bound, or not open.
  std::optional<std::uint16_t> handle_of(SlotId slot) const;
  bool bound(SlotId slot) const { return handle_of(slot).has_value(); }
  // Somebody says that our slot is gone: asks the relay at once. The leg is lost if no answer comes
  // soon. `restarted`: whoever says so knows it, so that the Ping and an Open leave together.
  void suspect(Instant now, bool restarted = false);
  // Something waits for the leg: it opens without growing pauses.
  void hurry(Instant now);
  // Writes the packet that carries `payload` to the slot with this handle (from handle_of()).
  // Returns its size: that of the payload and kHeaderSize.
  std::size_t wrap(std::uint16_t handle, Bytes payload, MutableBytes out, Instant now);
  // The same for a slot. 0: not bound, or not open.
  std::size_t wrap(SlotId slot, Bytes payload, MutableBytes out, Instant now);

  State state() const { return state_; }
  // Open, answering, and not draining.
  bool healthy() const { return state_ == State::kOpen && !doubted_ && !draining_; }
  bool draining() const { return draining_; }
  const IpAddress& relay() const { return ticket_.relay; }
  SlotId slot() const { return slot_; }
  std::uint32_t relay_id() const { return relay_id_; }
  const IpAddress& observed() const { return observed_; }
  // Smoothed; zero before the first measurement.
  Duration rtt() const { return rtt_; }

 private:
  struct Bound {
    Grant grant;
    std::optional<std::uint16_t> handle;
    Instant ask_at{};
    Duration wait{};
  };

  void start_opening(Instant now);
  void take_newer_ticket(Instant now);
  void lose(LegLost lost, Instant now);
  void forget_slot();
  void resume(Instant now);
  bool wanted(Instant now) const;
  void advance_opening(Instant now);
  // Whether a packet is genuine, new, and for a slot that we have or had.
  bool accept(const LegHeader& header, Bytes datagram);
  // Whether an answer to an Open may come.
  bool asks_to_open(Instant now) const;
  void on_cookie(Bytes datagram, Instant now);
  void on_opened(Bytes datagram, Instant now);
  void on_refused(Bytes datagram, Instant now);
  void on_tell(const LegHeader& header, Bytes body, Instant now);
  void on_bound(ByteReader& in);
  void on_pong(ByteReader& in, Instant now);
  void ask(Ask kind, Bytes body);
  void ask_for_binds(Instant now);
  void ping(Instant now);
  void check_silence(Instant now);
  Duration silence_max(Instant now) const;
  Duration quiet_max(Instant now) const;
  bool in_traffic() const;
  bool stopped_suddenly() const;
  Instant dead_at() const;
  Instant doubt_at() const;
  Instant ask_at() const;
  Instant reopen_at() const;
  std::size_t write_open_packet(MutableBytes buffer, Instant now);
  void sent(Instant now);
  void heard(Instant now);
  void post(LegEvent event);

  Random& random_;
  Ticket ticket_;
  std::optional<Ticket> newer_ticket_;  // waits until no answer to an Open is awaited
  State state_ = State::kClosed;
  Nonce nonce_{};
  Nonce slot_nonce_{};  // that the slot was opened with
  Nonce relay_nonce_{};
  std::vector<Nonce> former_;  // the relay's, of all that was opened with slot_nonce_
  RelayCookie cookie_{};
  LegKeys keys_;
  SlotId slot_;
  std::uint32_t relay_id_ = 0;
  std::uint8_t epoch_ = 0;
  std::uint32_t sequence_ = 0;
  BasicReplayWindow<1024> window_;
  IpAddress observed_;
  Duration rtt_{};

  // In kOpening after a silence: until then the relay may still have our slot.
  Instant kept_until_ = kNever;
  bool kept_ = false;
  bool renewal_owed_ = false;  // that slot has to hear of a newer token
  bool refused_ = false;       // since it began to open
  Instant opening_since_{};
  std::optional<Instant> payload_sent_;  // or something waited to be sent
  Instant open_sent_{};
  Instant next_open_ = kNever;
  Duration open_wait_{};
  unsigned opens_sent_ = 0;
  unsigned reopens_ = 0;             // Opens that were sent while open, since something was heard
  bool reopen_owed_ = false;         // one of these leaves now
  std::optional<Instant> needless_;  // the relay knew us when the last of these came
  Instant heard_{};
  Instant unheard_since_ = kNever;  // the first payload that left after that
  Instant asked_since_ = kNever;    // since when we wait for any packet
  Instant next_ping_ = kNever;
  std::optional<Instant> payload_at_;    // traffic was delivered, or something after a long time
  std::optional<Instant> payload_seen_;  // something was delivered
  // Whether so many packets pass that they are traffic, and not keep-alives and their answers.
  struct Traffic {
    static constexpr Duration kWindow = seconds(2);
    static constexpr unsigned kLeast = 5;
    Instant since{};
    unsigned count = 0;
    bool busy = false;
    bool add(Instant now) {
      if (now - since >= kWindow) {
        busy = count >= kLeast && now - since < 2 * kWindow;
        since = now;
        count = 0;
      }
      return ++count >= kLeast || busy;
    }
  };
  Traffic delivered_, sent_;
  bool lively_ = false;       // what was sent without an answer was part of traffic
  bool lively_back_ = false;  // so was what was delivered last
  unsigned unheard_ = 0;      // payloads sent since unheard_since_
  bool suspected_ = false;
  bool doubted_ = false;  // LegSuspected was posted
  bool draining_ = false;
  std::map<SlotId, Bound> bound_;
  std::size_t binds_open_ = 0;  // an upper bound of those that wait for an answer
  std::deque<std::vector<std::uint8_t>> out_;
  std::deque<LegEvent> events_;
};

}  // namespace whimbrel::relay
