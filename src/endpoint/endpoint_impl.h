// The inside of Endpoint, shared by its source files: endpoint.cc (inputs, commands), outputs.cc,
// peers.cc (life of a peer), endings.cc (how sessions end), handshakes.cc (handshake packets),
// resets.cc (who has forgotten whom), requests.cc (strangers), info.cc (getters).
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "base/token_bucket.h"
#include "endpoint/endpoint.h"
#include "endpoint/failure_records.h"
#include "endpoint/first_packet_queue.h"
#include "endpoint/first_packets.h"
#include "endpoint/peer.h"
#include "endpoint/stamp_table.h"
#include "endpoint/stranger.h"
#include "endpoint/timer_table.h"
#include "endpoint/unfinished.h"
#include "handshake/init_screener.h"

namespace whimbrel {

struct Endpoint::Impl {
  // What a receiver index, or a first message that comes again, leads to.
  struct Index {
    enum class Kind : std::uint8_t { kPeer, kHalfOpen, kRequest } kind = Kind::kPeer;
    SessionId peer{};
    ReceiverIndex half_open = 0;
    std::shared_ptr<const Identity> request;  // few have one
  };

  Impl(EndpointConfig config, Random& random, Instant now, const WallClock& clock);

  // --- peers.cc: the life of a peer --------------------------------------------------------------
  Peer* find(const Identity& user);
  const Peer* find(const Identity& user) const;
  Peer* find(SessionId id);
  Peer* find_waiting_for_route(const Identity& user);
  Peer* find_by_key(const PublicKey& key);
  // False, and nothing changes, when the name belongs to another peer.
  bool add_name(Peer& peer, const Identity& name);
  Peer& make_peer(const Identity& user, Peer::State state, Instant now);
  bool has_room_for_session() const {
    const bool apart = config.limits.unconfirmed_max > 0;
    const std::size_t others = apart ? unconfirmed.size() + leaving.size() : refused_count;
    return peers.size() - others < config.limits.sessions_max;
  }
  void note_stamp(Peer& peer, std::uint64_t stamp, Instant now);
  Result send_new(const Identity& user, SharedBytes payload, ChannelId channel, int flags,
                  Instant now, SendGate* charged);
  // Other than kOk: what was charged to `charged` still is.
  Result send_to(Peer& peer, SharedBytes payload, int flags, ChannelId channel, Instant now,
                 SendGate* charged);
  Result send_any(const Identity& user, SharedBytes&& payload, int flags, ChannelId channel,
                  Instant now, SendGate* charged);
  // A message that the application was told Ok for cannot be taken: that must not stay silent.
  void report_refused(const Identity& user, ChannelId channel, Instant now);
  void send_loopback(Peer& peer, Peer::Loopback& loopback, SharedBytes payload, int flags,
                     ChannelId channel, Instant now);
  void start_dial(Peer& peer, Instant now);
  void want_route(const Identity& user);
  bool leave_out_families(DialTarget& target) const;
  static std::string no_socket_text(const Identity& user, const DialTarget& target);
  // `with`: what is not in `result`.
  std::unique_ptr<Session> make_session(Peer& peer, const HandshakeResult& result,
                                        Establishment with, Instant now);
  void start_session(Peer& peer, Peer::State next, Instant now);
  void on_confirmed(Peer& peer, Instant now);
  void on_up(Peer& peer, Instant now);
  // What leads to a path of the peer's session, and no more to one that is gone.
  void update_indices(Peer& peer);
  void forget_signal(const Peer& peer);
  static void flush_waiting(Session& session, WaitingMessages& waiting, Instant now);
  void drop_old_waiting(Peer& peer, Instant now, bool exactly = false);
  bool is_too_late(const Peer& peer, int flags, ChannelId channel, const SendGate* charged,
                   Instant now) const;
  void merge(Peer& from, Peer& into, Instant now);
  void close_peer(Peer& peer, int reason, std::string_view text, bool linger, Instant now);
  static bool lingers_unmade(const Peer& peer);
  static std::string forgotten_text(const Peer& peer);
  void bid_farewell(Peer& peer, const Peer::Farewell& farewell, bool made, Instant now);
  void set_options(Peer& peer, const SessionOptions& options);
  static Instant give_up_at(const Peer& peer);
  void give_up(Peer& peer, Instant now);
  void fail_peer(Peer& peer, ConnectionState state, int reason, const std::string& text,
                 Instant now);
  // It may have packets now: poll_transmit() will ask it, after the others or before them.
  void mark_ready(Peer& peer, bool first = false);
  // Whose session a packet belongs to, as far as its header says so.
  Peer* find_receiver(Bytes datagram);
  // What the next ones that poll_transmit() asks will need.
  void prefetch_ready();
  // After anything was done to a peer: mark_ready() and settle(). May erase the peer.
  void touch(Peer& peer, Instant now);
  // Its end, gate and timers. May erase the peer.
  void settle(Peer& peer, Instant now);
  bool settle_session(Peer& peer, Instant now);
  static unsigned failed_dials(const Peer& peer, Instant now);
  void report_end(Peer& peer, Instant now);
  void report_change(const ConnectionInfo& info);
  void report_failure(const Peer& peer, ConnectionState state, int reason, const std::string& text,
                      Instant now);
  void let_go(Peer& peer);
  Session& leave(Peer& peer);
  void erase(Peer& peer);
  void advance_peer(Peer& peer, Instant now);
  Instant login_wait_end(const Peer& peer) const;
  Instant deadline_of(const Peer& peer) const;
  void schedule(Peer& peer);
  void schedule_ready();
  void put_first_right();
  bool line_is_busy_for(const Peer& peer);
  std::string describe(const Peer& peer, Instant now) const;
  // Why no session came about in time.
  static std::string timeout_text(const Peer& peer);
  std::string failure_text(const Peer& peer, const SessionEnd& end) const;
  SessionOptions options_for(const Identity& user) const;

  // --- handshakes.cc: handshake packets ----------------------------------------------------------
  void receive_handshake(const Remote& from, Bytes datagram, Instant now);
  void on_init(const Remote& from, Bytes datagram, Instant now);
  void answer_init(const InitView& init, const EphemeralKey& ephemeral, const Remote& from,
                   Standing standing, Instant now);
  void answer_waiting_inits(Instant now);
  bool on_repeated_init(const EphemeralKey& ephemeral, const Remote& from, Instant now);
  void on_init_ik(const InitView& init, const EphemeralKey& ephemeral, const Remote& from,
                  Standing standing, Instant now);
  void on_init_xx(const InitView& init, const EphemeralKey& ephemeral, const Remote& from,
                  Standing standing, Instant now);
  void end_half_open(ReceiverIndex index);
  void on_finish(const Remote& from, Bytes datagram, ReceiverIndex index, Instant now);
  void on_dial_answer(Peer& peer, const Remote& from, Bytes datagram, Instant now);
  void take_early(Peer& peer, std::vector<EarlyPacket>& early, Instant now);
  void on_dial_response(Peer& peer, const Remote& from, Bytes datagram, Instant now);
  // What is wrong with whom we have reached; nothing where it is who we meant and may talk to us.
  std::optional<std::string> fault_of_dialled(Peer& peer);
  void on_dial_fault(Peer& peer, int reason, const std::string& text, bool proved, Instant now);
  void count_handshake_error(HandshakeError error);
  UnixMillis next_stamp(Instant now);
  ReceiverIndex new_index();
  void remember_init(const EphemeralKey& ephemeral, const Index& index);
  void set_parameters(const SessionOptions& options);

  // --- resets.cc: who has forgotten whom ---------------------------------------------------------
  void ask_for_reset(Peer& peer);
  void on_reset_ask(const Remote& from, Bytes datagram, Instant now);
  void on_reset(Bytes datagram, Instant now);
  void dial_again(Peer& peer, Instant now);

  // --- requests.cc: strangers --------------------------------------------------------------------
  // True: it would make a difference if its sender showed that it receives at its address.
  bool on_stranger(Request&& request, Instant now);
  static bool could_be_next_life(const Peer& peer, const Request& request);
  bool admit_certificate(const Request& request) const;
  bool resolve_crossing(Peer& peer, Request& request, Instant now);
  bool resolve_conflict(Peer& peer, const Request& request, Instant now);
  void add_request(Request&& request, Instant now);
  Peer& answer(Request&& request, Peer* existing, Instant now);
  std::optional<Peer::Answered> answer_handshake(Peer& peer, Request& request, Instant now);
  void refuse(Request&& request, int reason, std::string_view text, Instant now);
  Identity waiting_at(const DialTarget& target, const Identity& user) const;
  void expire_requests(Instant now);
  // The session of a stranger that we have answered: until it is confirmed, its place is worth
  // less.
  void note_unconfirmed(Peer& peer, Standing standing, Instant now);
  // It is not confirmed in time: as if it had never been answered.
  void drop_unconfirmed(SessionId id);
  void remove_request(const Identity& user);
  void post_request(Request& request, Instant now);
  void remember_request(const Request& request);

  // --- consistency.cc ----------------------------------------------------------------------------
  void check_consistency();
  void check_peers();
  void check_names();
  void check_indices();
  void check_lists();

  void post(Event event);
  void note_cut_off(SignalRemote user);
  void send_raw(const Remote& to, Bytes datagram);
  void deliver(Peer& peer, Instant now);
  void log(LogLevel level, const std::string& text) const;
  void fill_info(const Peer& peer, Instant now, ConnectionInfo& info) const;
  void fill_status(const Peer& peer, Instant now, ConnectionStatus& status) const;

  EndpointConfig config;
  HandshakeConfig handshake;
  Random& random;
  Counters counters;
  SlabAllocator slabs;  // of all sessions: one that is idle holds none
  const WallClock& clock;
  UnixMillis last_stamp = 0;

  std::map<SessionId, std::unique_ptr<Peer>> peers;
  std::unordered_map<SessionId, Peer*> by_id;  // all of them; looked up, never iterated
  // Names and aliases of peers that the application knows. Ordered, for strangers choose them: in a
  // hash table they could choose those that collide.
  std::map<Identity, Peer*> by_name;
  // Closed sessions that may still deliver, the first one first: each waits for those before it.
  std::map<Identity, std::vector<SessionId>> lingering;
  std::map<PublicKey, SessionId> by_key;              // current session of a key
  std::unordered_map<ReceiverIndex, Index> by_index;  // looked up, never iterated
  // Sessions that go over relays, by who the router knows their peer as.
  std::map<SignalRemote, std::vector<SessionId>> by_signal;
  std::deque<SignalRemote> cut_off;
  std::map<ReceiverIndex, HalfOpen> half_open;
  std::uint64_t next_half_open = 1;
  Unfinished<std::pair<std::uint64_t, ReceiverIndex>> half_open_order;  // by number
  Unfinished<SessionId> unconfirmed;
  std::set<SessionId> leaving;  // Peer::detached(), but for those that are in `unconfirmed`
  std::map<Identity, Request> requests;
  std::deque<Identity> request_order;
  std::map<EphemeralKey, Index> recent_inits;
  std::deque<EphemeralKey> recent_order;
  std::map<Identity, DialTarget> routes;
  // Whom nobody has taken a route for. Some have been given up since: they are left out when it is
  // their turn, and when there are more than twice as many as peers.
  static constexpr std::size_t kRoutesWantedMin = 64;
  std::deque<Identity> routes_wanted;
  std::map<Identity, SessionOptions> user_options;
  FailureRecords failed;
  StampTable stamps;
  FirstPackets first_packets;
  FirstPacketQueue waiting_inits;
  unsigned received_in_turn = 0;  // since the last advance()
  InitScreener screener;
  TokenBucket resets;

  std::uint64_t next_session = 1;
  TimerTable timers;
  std::set<SessionId> racing;  // peers that were dialled at one of several addresses
  std::deque<SessionId> ready;
  SessionId asked_again{};  // that stands before the others now
  struct Raw {
    Remote to;
    std::vector<std::uint8_t> bytes;
  };
  std::deque<Raw> raw;
  bool awaits_login = false;
  bool sessions_turn = false;     // the last packet out was one of these
  std::size_t refused_count = 0;  // peers that were made only to say no
  std::deque<Event> events;
  bool tells_changes = false;
  std::vector<DeliveredMessage> delivered;
  // Peers that went while messages of theirs were still here; until the next take_messages(), and
  // in it.
  using Departed = std::vector<std::pair<SessionId, Identity>>;
  Departed departed;
  Departed departed_taken;
  std::vector<ReceivedMessage> received;  // scratch
  std::vector<SessionId> due;             // scratch
  Instant next_expiry = kNever;
};

}  // namespace whimbrel
