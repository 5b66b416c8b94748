// The core's front door: all sessions of one local identity, without threads, clock, sockets or OS
// randomness.
//
// Four kinds of method, in this order:
//   inputs    receive(), advance()             a datagram came; time passed
//   commands  send(), accept(), close..., ...  the application wants something
//   outputs   poll_transmit(), poll_event(), take_messages(), next_deadline()
//   getters   the rest
// After an input or a command, or a batch of them, drain the outputs; then sleep until
// next_deadline(). Time never runs backwards. Events are queued, never called back from inside. Not
// thread-safe: one driver.
#pragma once

#include <whimbrel/connection_info.h>
#include <whimbrel/identity.h>
#include <whimbrel/result.h>
#include <whimbrel/send_flags.h>

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/counters.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/random.h"
#include "base/shared_bytes.h"
#include "base/time.h"
#include "base/transmit.h"
#include "base/wall_clock.h"
#include "endpoint/endpoint_config.h"
#include "message/channels.h"
#include "session/carrier.h"
#include "session/session_options.h"

namespace whimbrel {

struct Peer;

// Numbers sessions in the order they were made; never used twice.
enum class SessionId : std::uint64_t {};

// How the two sides of a session know it.
struct SessionLine {
  IpAddress remote;
  std::uint32_t local_index = 0;   // in packets to us
  std::uint32_t remote_index = 0;  // in packets to the peer
  bool operator==(const SessionLine&) const = default;
};

// What the application's sending side may know of a session without asking the core: read by any
// thread, written by the core. Shared, so that it outlives the session.
struct SendGate {
  // Whose it is; null once the application does not find that session any more. The core's alone.
  Peer* peer = nullptr;
  // Payload bytes taken and not yet released (unsent, or reliable and unacknowledged), those on
  // their way to the core included: send() adds, the core subtracts.
  std::atomic<std::uint64_t> held_bytes{0};
  std::atomic<std::uint64_t> held_bytes_max{SessionOptions().send_bytes_max};
  // The session is up: a plain send may be handed over without asking the core.
  std::atomic<bool> open{false};
  // A message with kSendNoDelay could leave soon, on whatever channel. Otherwise the core must be
  // asked.
  std::atomic<bool> no_delay_open{true};

  bool has_room_for(std::uint64_t size) const {
    return held_bytes.load(std::memory_order_relaxed) + size <=
           held_bytes_max.load(std::memory_order_relaxed);
  }
};

struct SessionRequestEvent {
  Identity identity;
};
struct SessionFailedEvent {
  ConnectionInfo info;
};
// A session came up (kConnected), or one that was up, or was being made, is over: kClosedByPeer,
// kProblemDetectedLocally, or kNone where it idled out. Not where it was closed here. Only after
// tell_changes().
struct SessionChangedEvent {
  ConnectionInfo info;
};
using Event = std::variant<SessionRequestEvent, SessionFailedEvent, SessionChangedEvent>;

// A message for the application, in the order of arrival.
struct DeliveredMessage {
  SessionId session{};
  ReceivedMessage message;
};

class Endpoint {
 public:
  // `now` is the start of time; `clock` is asked for certificates and anti-replay stamps. It and
  // `random` must outlive the endpoint.
  Endpoint(EndpointConfig config, Random& random, Instant now, const WallClock& clock);
  ~Endpoint();
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  // --- inputs ------------------------------------------------------------------------------------
  // One datagram as it came; its bytes are decrypted in place. Anything malformed is counted and
  // dropped.
  void receive(const Remote& from, MutableBytes datagram, Instant now);
  // These follow in a moment, each by receive(): what they will need is fetched into the
  // processor's cache.
  void prefetch_receivers(std::span<const Bytes> datagrams);
  // The system has no way to this address: a dial that knows others tries the next one now.
  void on_unreachable(const IpAddress& to);
  // Fires the timers that are due.
  void advance(Instant now);

  // --- commands ----------------------------------------------------------------------------------
  // The payload is moved in. `charged`: the gate that the caller has added the bytes to, if any. It
  // need not be that of the user's session any more: then the charge moves along with the message.
  Result send(const Identity& user, SharedBytes payload, int flags, ChannelId channel, Instant now,
              SendGate* charged = nullptr);
  // A send() with this gate follows in a moment: what it will need is fetched into the processor's
  // cache, first of the user, then of the session. With many users it would wait for that longer
  // than it works.
  static void prefetch(const SendGate& gate);
  static void prefetch_session(const SendGate& gate);
  bool accept(const Identity& user, Instant now);
  // Closes, or refuses a request. `reason` 0 = 1001. `dropped` (if given) gets the session whose
  // unread messages the caller must drop.
  bool close_session(const Identity& user, Instant now, std::optional<SessionId>* dropped = nullptr,
                     int reason = 0, std::string_view text = {});
  // True if it was open. Closes the session with its last open channel.
  bool close_channel(const Identity& user, ChannelId channel, Instant now,
                     std::optional<SessionId>* session = nullptr);
  // The application took or dropped delivered messages, whose `place` it is: the peer may send
  // more.
  void consumed(SessionId session, std::uint16_t place, bool reliable, std::uint64_t bytes,
                std::uint64_t messages, Instant now);
  // Where a user is; with a key the handshake is IK, without it XX. Of several addresses
  // (kDialAddressesMax at most, at least one) the first that answers is used; a dial begins with
  // the first one, and with each next one 250 ms later (RFC 8305).
  // False, and nothing changes: there are EndpointLimits::routes_max other users already.
  bool set_route(const Identity& user, const std::vector<IpAddress>& addresses,
                 const std::optional<PublicKey>& key);
  bool set_route(const Identity& user, const IpAddress& address,
                 const std::optional<PublicKey>& key) {
    return set_route(user, std::vector{address}, key);
  }
  // The answer to poll_route_wanted(): good for this one dial. Without effect when nobody waits for
  // it any more.
  void provide_route(const Identity& user, const Remote& remote,
                     const std::optional<PublicKey>& key, Instant now);
  // Likewise: the user cannot be reached.
  void refuse_route(const Identity& user, int reason, const std::string& text, Instant now);
  // The relays over which a user whom the rendezvous knows can be reached now: all of them, after
  // each change. For the sessions that are there.
  void set_carriers(SignalRemote user, std::span<const RelayCarrier> carriers, Instant now);
  // To the peer of a session of an earlier life under the same key, of which we know nothing any
  // more.
  void tell_forgotten(const SessionLine& line);
  // What handshakes show from now on, and an authority more to trust. False: `key` is not usable,
  // or known already.
  void set_certificate(std::vector<std::uint8_t> encoded);
  // Dials wait for a certificate that is to come: for half of their time at most. False: they don't
  // any more.
  void set_awaits_login(bool awaits, Instant now);
  // Who we are, told late: only where EndpointConfig said nothing.
  void set_identity(const Identity& identity);
  bool add_authority(const VerifyKey& key);
  void remove_authority(const VerifyKey& key);
  // TrustStore::set_revocations(). Sessions with whom it names fail: reason 4003.
  bool set_revocations(Bytes encoded, Instant now);
  // Of this user's session, as long as it lasts; which one that is. Nothing without one.
  std::optional<SessionId> set_user_data(const Identity& user, std::int64_t data);
  // Whether SessionChangedEvents are wanted; they are not in the beginning.
  void tell_changes(bool wanted);
  // Closes every session: reason 1001.
  void close_all(Instant now);
  // For all sessions, or one user's. Values were checked by the caller.
  void set_options(const SessionOptions& options);
  void set_session_options(const Identity& user, const SessionOptions& options);
  // At least 1 each, from now on; sessions that are over the limit stay, the oldest requests over
  // it go.
  void set_limits(std::size_t sessions_max, std::size_t pending_requests_max);
  // Peers that come from now on must show a certificate, or need not. Sessions that are up stay.
  void set_require_certificate(bool required);

  // --- outputs -----------------------------------------------------------------------------------
  // Writes the next batch into `buffer` (at least one full datagram; 64 KiB for full batches).
  // Nothing: nothing may leave now.
  std::optional<RemoteTransmit> poll_transmit(MutableBytes buffer, Instant now);
  // Perhaps poll_transmit() has packets to more than one peer.
  bool several_have_packets() const;
  std::optional<Event> poll_event();
  // A user whom we are to reach and have no address of (EndpointConfig::asks_routes): told once a
  // dial.
  std::optional<Identity> poll_route_wanted();
  // A user to whom something waits to leave, and no relay is open: told again whenever that is
  // noticed.
  std::optional<SignalRemote> poll_cut_off();
  // Where what we send to this user goes now. Nothing without a session.
  std::optional<Remote> remote_of(const Identity& user) const;
  // Moves what was delivered since the last call to the end of `out`.
  void take_messages(std::vector<DeliveredMessage>& out);
  // When advance() must be called next; kNever if nothing waits. If it has passed, the call does
  // something: the same answer does not come again and again.
  Instant next_deadline() const;
  // For tests: ends the program if the tables in which a peer stands do not agree.
  void check_consistency() const;

  // --- getters -----------------------------------------------------------------------------------
  ConnectionState connection_info(const Identity& user, Instant now, ConnectionInfo* info,
                                  ConnectionStatus* status) const;
  // The user of a session that delivered messages: while it lives, and for those of the last
  // take_messages(). After that the invalid identity.
  const Identity& user_of(SessionId session) const;
  // The key that the user has shown. Nothing where there is no session.
  std::optional<PublicKey> key_of(const Identity& user) const;
  // Nothing where there is no session.
  std::optional<SessionLine> line_of(const Identity& user) const;
  // -1 where nothing was set, or it is over.
  std::int64_t user_data_of(SessionId session) const;
  // The gate of the user's current session; null when there is none.
  std::shared_ptr<SendGate> gate(const Identity& user) const;
  const Identity& identity() const;
  const PublicKey& public_key() const;
  // That handshakes show; empty: none.
  const std::vector<std::uint8_t>& certificate() const;
  // We talk to this user, or want to: there is a session, or a dial, and not a mere request of
  // theirs; or one that was closed still delivers what it was given.
  bool has_peer(const Identity& user) const;
  // There is somebody whose certificates are trusted.
  bool has_authorities() const;
  // Handed to applications that list their users.
  std::vector<Identity> users() const;
  const Counters& counters() const;
  // Something reliable of a closed session is still on its way (linger), or a close is still to be
  // said.
  bool lingering() const;
  std::size_t session_count() const;
  std::size_t pending_request_count() const;
  // Of receiver indices that packets to us may name.
  std::size_t index_count() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace whimbrel
