// The client's end of a leg to one relay: opens a slot, keeps it, makes and binds grants, and puts payloads into packets.
//
// Sans-I/O, one driver. It opens again by itself when the relay has forgotten it or went silent, as long as it has a token. After a
// silence it first asks for what it had: a relay that was merely out of reach still has the slot, and peers know it.
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

// What the rendezvous told us of a relay.
struct Ticket {
  IpAddress relay;
  std::vector<std::uint8_t> token;
  Secret secret;
};

// The slot is ours: grants made before are dead.
struct LegOpened {
  SlotId slot;
  IpAddress observed;
};
// It was lost in silence and works again, with the slot, the grants and the bindings that it had.
struct LegResumed {};
// It was open and is not any more, or could not be opened. Tried again unless a new ticket is needed.
struct LegLost {
  enum class Why : std::uint8_t { kSilence, kClosed, kRefused, kNoToken } why{};
  Refusal refusal{};  // kRefused
};
// What the relay says to a grant of a peer.
struct LegBound {
  SlotId slot;
  BindResult result{};
};
// A peer's slot has ended, or its grant: packets to it go nowhere.
struct LegPeerGone {
  SlotId slot;
};
struct LegDraining {
  Duration left{};
};
// What we send gets no answer of any kind: another way would be good to have. Ends with LegHeard or LegLost.
struct LegSuspected {};
struct LegHeard {};
using LegEvent = std::variant<LegOpened, LegResumed, LegLost, LegBound, LegPeerGone, LegDraining,
                              LegSuspected, LegHeard>;

class Leg {
 public:
  enum class State : std::uint8_t { kClosed, kOpening, kOpen };

  // `random` must outlive the leg.
  explicit Leg(Random& random) : random_(random) {}

  // Begins to open, or goes on with a newer token. Only one relay in a leg's life.
  void open(const Ticket& ticket, Instant now);
  // Tells the relay, as far as one packet does.
  void close();

  struct Received {
    SlotId from;
    MutableBytes payload;  // within the datagram
  };
  // A datagram from the relay's address. Something only if it brings a payload.
  std::optional<Received> receive(MutableBytes datagram, Instant now);
  void advance(Instant now);
  // The next packet of our own, with its size. `buffer` has kOpenSizeMax bytes.
  std::size_t poll_transmit(MutableBytes buffer, Instant now);
  std::optional<LegEvent> poll_event();
  Instant next_deadline() const;

  // Lets `peer` send to us until then. Only while open.
  Grant make_grant(const IdentityHash& peer, std::int64_t not_after_unix) const;
  // Ends every grant made before, and what was bound with them. Only while open.
  void revoke_grants();
  // Asks the relay to let us send where the grant leads; LegBound answers.
  void bind(const Grant& grant, Instant now);
  void unbind(SlotId slot);
  // What the relay knows a bound slot by. Nothing: not bound, or not open.
  std::optional<std::uint16_t> handle_of(SlotId slot) const;
  bool bound(SlotId slot) const { return handle_of(slot).has_value(); }
  // Somebody says that our slot is gone: the relay is asked at once, and the leg is lost if it does not answer soon.
  void suspect(Instant now);
  // Something waits for the leg: it opens without growing pauses.
  void hurry(Instant now);
  // Writes the packet that carries `payload` to the slot with this handle, of handle_of(): kHeaderSize more.
  std::size_t wrap(std::uint16_t handle, Bytes payload, MutableBytes out, Instant now);
  // The same by the slot. 0: not bound, or not open.
  std::size_t wrap(SlotId slot, Bytes payload, MutableBytes out, Instant now);

  State state() const { return state_; }
  // Open, and nothing speaks against it: it answers, and does not drain.
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
  void lose(LegLost lost, Instant now);
  void forget_slot();
  void resume(Instant now);
  bool wanted(Instant now) const;
  void advance_opening(Instant now);
  // A packet of the leg, for a slot that we have or had.
  bool accept(const LegHeader& header, Bytes datagram);
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
  Instant dead_at() const;
  Instant doubt_at() const;
  Instant ask_at() const;
  void sent(Instant now);
  void heard(Instant now);
  void post(LegEvent event);

  Random& random_;
  Ticket ticket_;
  State state_ = State::kClosed;
  Nonce nonce_{};
  Nonce relay_nonce_{};
  RelayCookie cookie_{};
  LegKeys keys_;
  SlotId slot_;
  std::uint32_t relay_id_ = 0;
  std::uint8_t epoch_ = 0;
  std::uint32_t sequence_ = 0;
  BasicReplayWindow<1024> window_;
  IpAddress observed_;
  Duration rtt_{};

  // kOpening after a silence: what the relay has of us may be as it was, until then.
  Instant kept_until_ = kNever;
  bool kept_ = false;
  bool refused_ = false;  // since it began to open
  Instant opening_since_{};
  std::optional<Instant> payload_sent_;  // or something waited to be
  Instant open_sent_{};
  Instant next_open_ = kNever;
  Duration open_wait_{};
  unsigned opens_sent_ = 0;
  Instant heard_{};
  Instant unheard_since_ = kNever;  // the first payload that left after that
  Instant asked_since_ = kNever;    // since when we wait for any packet
  Instant next_ping_ = kNever;
  std::optional<Instant> payload_at_;    // traffic was delivered, or something after a long time
  std::optional<Instant> payload_seen_;  // something was delivered
  // Whether what passes is traffic: keep-alives and what answers them are fewer.
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
  bool lively_ = false;   // what was sent and not heard was part of traffic
  unsigned unheard_ = 0;  // payloads sent since unheard_since_
  bool suspected_ = false;
  bool doubted_ = false;  // LegSuspected was said
  bool draining_ = false;
  std::map<SlotId, Bound> bound_;
  std::size_t binds_open_ = 0;  // at least so many of them wait for an answer, or none do
  std::deque<std::vector<std::uint8_t>> out_;
  std::deque<LegEvent> events_;
};

}  // namespace whimbrel::relay
