// Finds the way to users that have no address of their own: handshake packets go as signals through the rendezvous, everything
// else through the relay, each with the grant that lets the peer answer.
//
// Stands between an endpoint and the sockets. To the endpoint such a user has a via address (via_address.h); the router
// turns it into what is on the wire, and back. Sans-I/O, one driver, as everything below io.
#pragma once

#include <whimbrel/identity.h>

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "endpoint/endpoint.h"
#include "network/signal.h"
#include "network/via_address.h"
#include "relay/leg.h"

namespace whimbrel {

// What happens at each limit stands beside it.
struct RouterLimits {
  std::size_t remotes_max =
      4096;  // signals of further strangers are dropped, further users not dialled
  std::size_t waiting_max = 64;  // packets of one remote that wait for the relay: the oldest goes
  std::size_t requests_max = 4096;  // for the rendezvous: a signal is dropped, as a packet may be
  std::size_t out_max = 1024;       // packets that wait for poll_transmit(): the oldest goes
};

// What the rendezvous is asked to do.
struct LookupRequest {
  Identity user;
};
struct SignalRequest {
  Identity user;
  std::vector<std::uint8_t> body;  // at most kSignalSizeMax bytes
};
using RouterRequest = std::variant<LookupRequest, SignalRequest>;

struct RouterStats {
  std::uint64_t packets_in = 0, packets_out = 0;  // over the relay
  std::uint64_t signals_in = 0, signals_out = 0;
  std::uint64_t dropped_unknown_slot = 0, dropped_malformed = 0, dropped_full = 0;
};

class Router {
 public:
  // `users` and `random` must outlive it.
  Router(Endpoint& users, std::uint32_t app_id, Random& random, Instant now, UnixMillis unix_now,
         const RouterLimits& limits = {});

  // --- inputs: from the rendezvous -------------------------------------------------------------------------------
  // The answer to a lookup: where there is a key, the user may be dialled.
  void on_found(const Identity& user, const PublicKey& key, Instant now);
  void on_not_found(const Identity& user, int reason, const std::string& text, Instant now);
  // `user` is who the rendezvous says it is; what the packet inside proves is the endpoint's to see.
  void on_signal(const Identity& user, Bytes body, Instant now);
  // The rendezvous carries signals again: what may have been lost is said once more.
  void on_online(Instant now);
  // Where the relay is, and what opens it.
  void on_ticket(const relay::Ticket& ticket, Instant now);

  // --- inputs: from the sockets ----------------------------------------------------------------------------------
  // True if the datagram was the router's.
  bool receive(const IpAddress& from, MutableBytes datagram, Instant now);
  void advance(Instant now);

  // --- outputs ---------------------------------------------------------------------------------------------------
  // What the endpoint and the relay leg have to send, as it goes onto the wire. `buffer`: 64 KiB.
  std::optional<Transmit> poll_transmit(MutableBytes buffer, Instant now);
  std::optional<RouterRequest> poll_request();
  // The leg was lost (true) or opened (false) since the last call: others may want to look after what they have there.
  std::optional<relay::LegEvent> poll_leg_event();
  Instant next_deadline() const;

  const relay::Leg& leg() const { return leg_; }
  const RouterStats& stats() const { return stats_; }
  std::size_t remote_count() const { return remotes_.size(); }

 private:
  struct Remote {
    RemoteId id{};
    Identity user;
    relay::IdentityHash hash{};
    std::optional<relay::Grant> grant;  // the peer's, for us
    std::deque<std::vector<std::uint8_t>> waiting;
    Instant used{};
    Instant asked{};  // for a grant
    bool asked_once = false;
  };

  Remote* find(const Identity& user);
  Remote* find(RemoteId id);
  // Null when there are too many.
  Remote* remote_for(const Identity& user, Instant now);
  void learn_grant(Remote& remote, const relay::Grant& grant);
  void forget_grant(Remote& remote, Instant now);
  void ask_grant(Remote& remote, Instant now);
  void signal(Remote& remote, SignalKind kind, Bytes packet, bool with_grant, Instant now);
  void send_packet(Remote& remote, Bytes packet, Instant now);
  void send_batch(RemoteId to, Bytes batch, std::size_t segment_size, Instant now);
  std::size_t wrap_batch(Remote& remote, Bytes batch, std::size_t segment_size, MutableBytes out,
                         Instant now);
  void flush_waiting(Remote& remote, Instant now);
  void queue_out(std::vector<std::uint8_t> packet);
  void take_leg_events(Instant now);
  void on_bound(const relay::LegBound& bound, Instant now);
  void on_peer_gone(relay::SlotId slot, Instant now);
  void renew_grants(Instant now);
  void sweep(Instant now);
  bool has_session(const Identity& user, Instant now) const;
  std::int64_t unix_seconds(Instant now) const;

  Endpoint& users_;
  std::uint32_t app_id_;
  RouterLimits limits_;
  Instant start_;
  UnixMillis unix_start_;
  relay::Leg leg_;
  std::map<RemoteId, Remote> remotes_;
  std::map<Identity, RemoteId> by_user_;
  std::map<relay::SlotId, RemoteId> by_slot_;
  std::uint32_t next_id_ = 1;
  std::deque<RouterRequest> requests_;
  std::deque<relay::LegEvent> leg_events_;
  std::deque<std::vector<std::uint8_t>> out_;
  std::vector<std::uint8_t> scratch_;
  Instant next_sweep_ = kNever;
  RouterStats stats_;
};

}  // namespace whimbrel
