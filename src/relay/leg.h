// The client's end of a leg to one relay: opens a slot, keeps it, makes and binds grants, and puts
// payloads into packets.
//
// Sans-I/O, one driver. It opens again by itself when the relay has forgotten it or is silent, as
// long as it has a token. After a silence it first asks for the slot that it had: a relay that was
// merely out of reach still has it, and peers know it. A relay that was started again answers an
// Open only, so a leg that hears nothing sends one before it is lost (leg_silence.h).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "base/ip_address.h"
#include "base/random.h"
#include "base/time.h"
#include "relay/grant.h"
#include "relay/leg_history.h"
#include "relay/leg_state.h"

namespace whimbrel::relay {

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

  // In the order of LegState.
  State state() const { return static_cast<State>(state_.index()); }
  // Open, answering, and not draining.
  bool healthy() const {
    const LegOpen* up = as<LegOpen>();
    return up != nullptr && !up->silence.doubted() && !up->draining;
  }
  bool draining() const { return is<LegOpen>() && as<LegOpen>()->draining; }
  const IpAddress& relay() const { return ticket_.relay; }
  // Of our slot, or of the one that the relay may still have after a silence; empty without one.
  SlotId slot() const { return known_slot() == nullptr ? SlotId{} : known_slot()->id; }
  std::uint32_t relay_id() const { return known_slot() == nullptr ? 0 : known_slot()->relay_id; }
  const IpAddress& observed() const;
  // Smoothed; zero before the first measurement.
  Duration rtt() const { return history_.rtt(); }

 private:
  // --- states
  template <typename S>
  bool is() const {
    return std::holds_alternative<S>(state_);
  }
  template <typename S>
  S* as() {
    return std::get_if<S>(&state_);
  }
  template <typename S>
  const S* as() const {
    return std::get_if<S>(&state_);
  }
  const LegSlot* known_slot() const;
  LegSlot* known_slot() { return const_cast<LegSlot*>(std::as_const(*this).known_slot()); }
  void renew(LegOpen& up, const Ticket& ticket);
  void begin_opening(const Nonce& nonce, std::optional<KeptSlot> kept, Instant open_at);
  void begin_slot(const Opened& opened, Instant now);
  void resume(Instant now);
  void lose(const LegLost& lost, Instant now);
  // Of a leg that is open; nothing otherwise.
  std::optional<Ticket> take_newer_ticket();
  Nonce fresh_nonce();

  // --- what comes
  // The nonce of our Opens. Only while it is opening or open.
  const Nonce& nonce() const;
  // Our Opens to which an answer may come, of this nonce. Null: there are none.
  SentOpens* awaited(const Nonce& nonce, Instant now);
  void on_cookie(Bytes datagram, Instant now);
  void on_opened(Bytes datagram, Instant now);
  void on_refused(Bytes datagram, Instant now);
  // Whether a packet is genuine, new, and for a slot that we have or had.
  bool accept(const LegHeader& header, Bytes datagram);
  void heard(Instant now);
  void on_tell(const LegHeader& header, Bytes body, Instant now);
  void on_bound(LegSlot& slot, ByteReader& in);
  void on_pong(LegSlot& slot, ByteReader& in, Instant now);

  // --- what leaves
  void ask(LegSlot& slot, Ask kind, Bytes body);
  void write_ping(LegSlot& slot, Instant now);
  void ping(LegOpen& up, Instant now);
  void ask_for_bindings(LegSlot& slot, Instant now);
  std::size_t write_open_packet(SentOpens& opens, MutableBytes buffer, Instant now);
  // Something waits for it.
  bool hurries(const LegOpening& opening, Instant now) const;
  std::size_t open_again(LegOpening& opening, MutableBytes buffer, Instant now);
  void post(LegEvent event);

  // --- time (leg_timers.cc)
  enum class Timer : std::uint8_t;
  Instant due(Timer timer) const;
  Instant due_while_opening(const LegOpening& opening, Timer timer) const;
  Instant due_while_open(const LegOpen& up, Timer timer) const;
  void on_timer(Timer timer, Instant now);
  void ask_for_kept_slot(LegOpening& opening, Instant now);
  void give_up_kept_slot(LegOpening& opening);

  Random& random_;
  Ticket ticket_;
  LegState state_;
  LegHistory history_;
  std::deque<std::vector<std::uint8_t>> out_;
  std::deque<LegEvent> events_;
};

}  // namespace whimbrel::relay
