// A peer in a simulation: a network (an endpoint, and where a server is configured the way to it),
// and an application that models what a node does for one: an inbox by channel, requests answered
// by a rule, failures noted. Made by World.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "network/network.h"
#include "sim/ledger.h"
#include "sim/node.h"

namespace whimbrel::sim {

class World;

enum class OnRequest : std::uint8_t { kAccept, kRefuse, kIgnore };
enum class Reading : std::uint8_t { kAtOnce, kByHand };

// What a host is made of, life after life.
struct HostConfig : EndpointConfig {
  std::vector<VerifyKey> authorities;  // go into `trust`
  std::optional<NetworkConfig> server;
  UnixMillis clock_error = 0;  // of its machine at first: as Host::set_clock_error()
};

struct InboxMessage {
  SessionId session{};
  Identity from;
  ReceivedMessage message;
  std::string text() const { return std::string(as_text(message.payload.view())); }
};

class Host final : public Node {
 public:
  // `seed` is for everything random in the endpoint.
  Host(World& world, HostConfig config, std::uint64_t seed);

  // --- who it is ---------------------------------------------------------------------------------
  NodeId id() const { return id_; }
  std::uint32_t life() const { return life_; }
  Endpoint& endpoint() { return network_->endpoint(); }
  const Endpoint& endpoint() const { return std::as_const(*network_).endpoint(); }
  NetworkStatus network_status() const { return network_->status(); }
  // Null without a server.
  rendezvous::LobbyClient* lobbies() { return network_->lobbies(); }
  // Logged in, and reachable through a relay.
  bool online() const;
  // In force from the next life on.
  HostConfig& config() { return config_; }
  const PublicKey& key() const { return config_.keys.public_key; }
  const IpAddress& address() const;
  // What others call it: its name, or ip: with its address.
  Identity identity() const;
  Instant now() const;

  // --- what the application does -----------------------------------------------------------------
  OnRequest on_request = OnRequest::kAccept;
  Reading reading = Reading::kAtOnce;
  // Everything that arrives must stand in the ledger.
  bool checked = true;
  // Called for each message before it is consumed.
  std::function<void(const InboxMessage&)> on_message;

  // The name that this application uses for another host; identity() of it unless told otherwise.
  void calls(const Host& other, const Identity& name) { names_[other.id()] = name; }
  Identity name_of(const Host& other) const;
  // Lets this one find the other: with its key (IK) or without (XX).
  void knows(const Host& other, bool with_key);

  // Sends a message that stands in the ledger. `size` at least Ledger::kSizeMin.
  Result say(const Host& to, std::size_t size = 64, int flags = kSendReliable,
             ChannelId channel = 0);
  // Sends anything; the receiver should not be `checked`.
  Result send(const Identity& to, Bytes payload, int flags = kSendReliable, ChannelId channel = 0);
  Result send(const Identity& to, std::string_view text, int flags = kSendReliable,
              ChannelId channel = 0) {
    return send(to, as_bytes(text), flags, channel);
  }
  // What comes of it stands in presences().
  Result watch(const Identity& user, bool on = true);
  bool accept(const Identity& user);
  bool accept(const Host& user) { return accept(name_of(user)); }
  bool close_session(const Identity& user);
  bool close_session(const Host& user) { return close_session(name_of(user)); }
  bool close_channel(const Identity& user, ChannelId channel);
  bool close_channel(const Host& user, ChannelId channel) {
    return close_channel(name_of(user), channel);
  }
  // The oldest unread messages of a channel; they are consumed.
  std::vector<InboxMessage> receive(ChannelId channel, std::size_t messages_max = SIZE_MAX);
  // Takes everything that is unread, on all channels.
  std::size_t receive_all();

  ConnectionState state(const Identity& user) const;
  ConnectionState state(const Host& user) const { return state(name_of(user)); }
  bool connected(const Host& user) const { return state(user) == ConnectionState::kConnected; }
  ConnectionInfo info(const Identity& user) const;
  ConnectionInfo info(const Host& user) const { return info(name_of(user)); }
  ConnectionStatus status(const Identity& user) const;
  ConnectionStatus status(const Host& user) const { return status(name_of(user)); }

  // --- what was observed -------------------------------------------------------------------------
  struct Request {
    Instant at;
    Identity from;
  };
  struct Failure {
    Instant at;
    ConnectionInfo info;
  };
  const std::vector<Request>& requests() const { return requests_; }
  const std::vector<Failure>& failures() const { return failures_; }
  // What was told of users who are watched: "str:bob+" where he is online, "str:bob-" where not.
  const std::vector<std::string>& presences() const { return presences_; }
  std::uint64_t messages_received() const { return messages_received_; }
  std::uint64_t bytes_received() const { return bytes_received_; }
  std::size_t unread() const;
  std::uint64_t unread_bytes() const { return unread_bytes_; }
  std::uint64_t count(Count count) const { return endpoint().counters()[count]; }

  // --- what befalls it ---------------------------------------------------------------------------
  // The clock of its machine goes ahead by this (below zero: behind) from now on; the driver
  // notices when it wakes next.
  void set_clock_error(UnixMillis ahead) { clock_error_ = ahead; }
  // The process dies and is started again, without a word to anyone.
  void restart(bool same_key);
  // Another address, as after a change of network.
  void move(const IpAddress& address);

  // --- Node --------------------------------------------------------------------------------------
  void receive(const IpAddress& from, MutableBytes datagram, Instant now) override;
  void advance(Instant now) override;
  std::optional<Transmit> poll_transmit(MutableBytes buffer, Instant now) override;
  Instant next_deadline() const override;
  bool turn(Instant now) override;

 private:
  friend class World;
  struct Unread {
    std::uint64_t bytes = 0;
    std::uint64_t messages = 0;
  };

  void attached(NodeId id);
  UnixMillis unix_now() const;
  void look_at_clock(Instant now);
  void live();
  EndpointConfig endpoint_config() const;
  bool take_events();
  bool take_messages(Instant now);
  void deliver(DeliveredMessage&& delivered, Instant now);
  void consume(const InboxMessage& message, Instant now);
  bool is_of(const InboxMessage& message, const Identity& user,
             const std::optional<SessionId>& session) const;
  void note_unread(const InboxMessage& message);
  void note_break(const Identity& user);
  void drop(const std::function<bool(const InboxMessage&)>& which, bool consumed);
  Result command_send(const Identity& to, SharedBytes payload, int flags, ChannelId channel);

  World& world_;
  HostConfig config_;
  FastRandom random_;
  UnixMillis clock_error_;
  ClockLooks clock_looks_{Instant()};
  std::unique_ptr<Network> network_;
  static constexpr std::uint64_t kPollsUntilCheck = 16;  // each would take too long
  std::uint64_t polls_ = 0;
  NodeId id_ = kNobody;
  std::uint32_t life_ = 0;
  std::map<NodeId, Identity> names_;
  struct Route {
    IpAddress address;
    std::optional<PublicKey> key;
  };
  std::map<Identity, Route> routes_;  // told again to the next life
  std::vector<DeliveredMessage> scratch_;
  std::map<ChannelId, std::deque<InboxMessage>> inbox_;
  std::map<SessionId, Unread> unread_;
  std::uint64_t unread_bytes_ = 0;
  std::vector<Request> requests_;
  std::vector<Failure> failures_;
  std::vector<std::string> presences_;
  std::uint64_t messages_received_ = 0, bytes_received_ = 0;
};

}  // namespace whimbrel::sim
