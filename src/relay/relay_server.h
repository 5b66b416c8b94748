// The relay: forwards sealed datagrams from one client's slot to another's that has granted it. It
// never sends to an address, only to a slot; it keeps no state for clients without a token.
//
// A relay is one RelayServer, or several that divide the slots among them: shards. Each shard has a
// thread of its own. What a client of one shard sends to a client of another goes through a
// HandoverOutlet.
//
// Sans-I/O, one driver. receive() returns where a datagram goes next; it stays in the caller's
// memory, with its header rewritten. Everything else that has to leave waits in poll_transmit().
// Forwarding allocates nothing and only indexes into a table.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/event_record.h"
#include "base/ip_address.h"
#include "base/random.h"
#include "base/time.h"
#include "base/wall_clock.h"
#include "relay/grant.h"
#include "relay/handover.h"
#include "relay/open_limits.h"
#include "relay/slot.h"
#include "relay/token.h"

namespace whimbrel::relay {

// The comments say what happens at each limit.
struct RelayLimits {
  std::size_t slots_max = 100'000;         // Open is refused; at most 2^20
  std::size_t slots_per_identity_max = 8;  // an unused one gives way, or Open is refused
  // Limits of what anybody can send from a made-up address, in the order of the checks.
  std::uint32_t opens_without_cookie_per_second = 1'000;  // then a cookie is asked for
  std::uint32_t cookies_per_second = 100'000;             // silence
  std::uint32_t opens_per_second_max = 5'000;             // with a good cookie; then dropped
  // The same, of a /24 or a /48; then dropped.
  std::uint32_t opens_per_prefix_per_second_max = 100;
  std::uint32_t bytes_per_second = 64 << 20;   // of a slot whose token says nothing; then dropped
  std::uint32_t packets_per_second = 100'000;  // likewise
  std::size_t replies_max = 1'024;             // the reply is not sent
  Duration opening_time = seconds(5);          // for a client to confirm an Opened
  Duration idle_time = seconds(60);            // without a packet from the client
  Duration unused_time = seconds(2);           // the same, where the identity wants another slot
  Duration renewal_time = seconds(1800);       // after the token's end

  // The share of one shard. Tables and rates are divided; slots_per_identity_max holds in each
  // shard, as a client cannot choose the shard of its slots.
  RelayLimits share_of(std::uint32_t shard, std::uint32_t shards) const;
};

struct RelayConfig {
  std::uint32_t relay_id = 1;
  bool always_cookie = false;
  std::uint32_t shard = 0;
  std::uint32_t shards = 1;  // at most kShardsMax
  RelayLimits limits;        // of this shard
};

// Counts of packets unless the comment says otherwise; they only grow. In a relay of one shard each
// datagram counts once: as forwarded, opened, reopened, asked, refused, cookie or dropped.
struct RelayCounters {
  std::uint64_t forwarded = 0, forwarded_bytes = 0;   // bytes with the header
  std::uint64_t opened = 0, closed = 0, expired = 0;  // slots
  std::uint64_t refused_full = 0, refused_identity = 0, refused_draining = 0, refused_expired = 0;
  std::uint64_t reopened = 0;  // a repeated Open, answered again
  std::uint64_t cookies = 0;
  std::uint64_t asked = 0, bound = 0, bind_refused = 0;  // the last two are part of `asked`
  std::uint64_t dropped_malformed = 0, dropped_unknown_slot = 0, dropped_bad_tag = 0;
  std::uint64_t dropped_replayed = 0, dropped_rate = 0, dropped_unbound = 0, dropped_gone = 0;
  std::uint64_t dropped_bad_token = 0, dropped_bad_mac = 0, dropped_open_rate = 0;
  std::uint64_t dropped_replies = 0;
  std::uint64_t handed_over = 0;  // to other shards
  std::uint64_t misdirected = 0;  // part of handed_over: came to the wrong shard
  std::uint64_t dropped_handover = 0;

  RelayCounters& operator+=(const RelayCounters& other);
};

// Recorded with Recorded::kAll.
struct SlotEvent {
  enum class Kind : std::uint8_t { kOpened, kClosed, kRefused };
  Kind kind{};
  IpAddress from;
  SlotId slot{};      // not with kRefused
  Refusal refusal{};  // with kRefused
};

class RelayServer {
 public:
  // `keys`, `random` and `outlet` must outlive it. `outlet` is needed with several shards.
  RelayServer(const RelayConfig& config, SiteKeys& keys, Random& random, Instant now,
              const WallClock& clock, HandoverOutlet* outlet = nullptr);

  // Takes a datagram for which is_relay_packet() holds. Returns where it goes next, if it is to be
  // forwarded: with the same size, in the same memory.
  std::optional<IpAddress> receive(const IpAddress& from, MutableBytes datagram, Instant now);
  // Takes what another shard handed over. Returns where `bytes` go next, as receive() does.
  std::optional<IpAddress> take(const Handover& handover, MutableBytes bytes, Instant now);
  // With many slots, most of a packet's cost is waiting for memory. A driver with several datagrams
  // calls the first for all of them, then the second, then receive(). They accept any bytes and
  // change nothing.
  void prefetch_source(Bytes datagram) const;
  void prefetch_destination(Bytes datagram) const;
  // The same before take().
  void prefetch(const Handover& handover) const;
  // Ends slots whose time is over, a part of the table at each call.
  void advance(Instant now);
  // The next reply. `buffer` has at least kOpenSizeMax bytes.
  struct Reply {
    IpAddress to;
    std::size_t size = 0;
  };
  std::optional<Reply> poll_transmit(MutableBytes buffer);
  Instant next_deadline() const;

  // Sets the limits of this shard. Open slots stay, with the rates that they have.
  void set_limits(const RelayLimits& limits, Instant now);

  // Tells every client to leave within `time`, and opens no more slots. The caller stops the relay
  // after that time.
  void drain(Duration time, Instant now);

  // Events for an operator's log. Nothing is recorded at first.
  void record(Recorded what) { events_.set(what); }
  EventRecord<SlotEvent>::Taken take_events() { return events_.take(); }

  std::size_t slot_count() const { return open_slots_; }
  const RelayCounters& counters() const { return counters_; }

 private:
  static constexpr std::size_t kReplySizeMax = 128;
  static constexpr Duration kSweepInterval = milliseconds(100);
  struct Queued {
    IpAddress to;
    std::uint8_t size = 0;
    std::array<std::uint8_t, kReplySizeMax> bytes;
  };

  std::optional<IpAddress> on_send(const IpAddress& from, MutableBytes datagram, Instant now);
  std::optional<IpAddress> deliver(SlotId from, Slot& to, MutableBytes datagram);
  std::optional<IpAddress> take_forward(const Handover& forward, MutableBytes datagram);
  void peer_gone(Slot& slot, std::uint16_t handle);
  void on_open(const IpAddress& from, Bytes datagram, Instant now);
  void on_ask(const IpAddress& from, Bytes datagram, Instant now);
  // False: the question is malformed or not valid.
  bool answer(Slot& slot, const IpAddress& from, Ask kind, Bytes body, Instant now);
  bool on_bind(Slot& slot, Bytes body, Instant now);
  BindResult check_bind(const Grant& grant, const IdentityHash& identity, std::uint32_t app_id,
                        Instant now);
  void take_bind(const Handover& bind, Bytes bytes, Instant now);
  void finish_bind(Slot& slot, SlotId to, std::uint8_t epoch, BindResult result);
  bool hand_over(const Handover& handover, Bytes bytes, std::uint32_t shard);
  bool on_ping(Slot& slot, const IpAddress& from, Bytes body);
  bool on_renew(Slot& slot, Bytes body, Instant now);
  bool on_path_answer(Slot& slot, const IpAddress& from, Bytes body);

  // The slot that sent the packet. Null unless the packet is genuine and new.
  Slot* admit(const IpAddress& from, Bytes datagram, LegHeader& header, Instant now);
  bool is_mine(SlotId id) const {
    return config_.shards == 1 || shard_of(id, config_.shards) == config_.shard;
  }
  // Where a slot of this shard stands in the table.
  std::size_t place_of(SlotId id) const { return id.index() * place_factor_ >> 32; }
  Slot* slot_of(SlotId id);
  SlotId id_of(const Slot& slot) const;
  void notice_address(Slot& slot, const IpAddress& from, std::size_t size, Instant now);
  bool admit_open(const IpAddress& from, const OpenView& open, Instant now);
  void answer_repeated(Slot& slot, const IpAddress& from, const OpenView& open, Instant now);
  void make_slot(const IpAddress& from, const OpenView& open, const Token& token, Instant now);
  void look_after(Slot& slot, Instant now);
  void make_room();
  std::optional<std::uint32_t> free_place();
  // False: the identity uses all the slots that it may have.
  bool room_for(std::uint64_t identity, Instant now);
  void release(Slot& slot);
  void send_opened(const Slot& slot, const IpAddress& to, const Secret& secret, Instant now);
  void refuse(const IpAddress& to, const OpenView& open, const Secret& secret, Refusal reason);
  void tell(Slot& slot, const IpAddress& to, Tell kind, Bytes body);
  void tell_drain(Slot& slot, Instant now);
  void reply(const IpAddress& to, Bytes datagram);
  std::uint16_t drain_seconds(Instant now) const;

  RelayConfig config_;
  SiteKeys& keys_;
  Random& random_;
  HandoverOutlet* outlet_;
  std::uint64_t place_factor_;  // 2^32 / shards, rounded up: saves a division for each packet
  const WallClock& clock_;
  OpenLimits open_limits_;
  std::vector<Slot> slots_;
  // First the one that is free for longest.
  std::deque<std::uint32_t> free_;
  std::unordered_map<std::uint64_t, std::uint32_t> by_nonce_;  // first half of the nonce -> place
  // First half of the identity's hash -> place of its newest slot, which links to the others.
  std::unordered_map<std::uint64_t, std::uint32_t> by_identity_;
  std::size_t open_slots_ = 0;
  std::size_t sweep_at_ = 0;
  Instant next_sweep_ = kNever;
  Instant drain_at_ = kNever;
  std::deque<Queued> replies_;
  EventRecord<SlotEvent> events_;
  RelayCounters counters_;
};

}  // namespace whimbrel::relay
