// The two ends of a recorded session, in a simulated network. What they draw from their random
// generator is kept, so that the recording can name the ephemeral keys.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "crypto/keys.h"
#include "handshake/handshake.h"
#include "session/session.h"
#include "sim/node.h"

namespace whimbrel::vectors {

// The same seed gives the same keys; every draw of 32 bytes, which a private key is, is kept.
class RecordingRandom final : public Random {
 public:
  explicit RecordingRandom(std::uint64_t seed) : inner_(seed) {}
  void fill(MutableBytes out) override;
  const std::vector<SecretKey>& drawn() const { return drawn_; }

 private:
  FastRandom inner_;
  std::vector<SecretKey> drawn_;
};

// What becomes of a stranger's request. kWait: the scene decides.
enum class OnRequest : std::uint8_t { kAccept, kRefuse, kWait };

struct PeerOptions {
  std::string name = "str:alice";
  std::uint32_t app_id = 7;
  std::uint64_t seed = 1;
  SessionOptions session;
  EndpointLimits limits;
  bool certified = false;
  OnRequest on_request = OnRequest::kAccept;
  bool over_relays = false;  // the other end is reached by signals at first
  AeadSuite suite = AeadSuite::kAesGcm;
};

// What both kinds of peer have: keys, a random generator and a count of what came.
class Peer : public sim::Node {
 public:
  explicit Peer(const PeerOptions& options);

  const PeerOptions& options() const { return options_; }
  const KeyPair& keys() const { return keys_; }
  const RecordingRandom& random() const { return random_; }
  Identity identity() const { return *Identity::parse(options_.name); }
  std::size_t messages_received() const { return messages_received_; }

  virtual Result send(Bytes payload, int flags, ChannelId channel, Instant now) = 0;
  virtual void close(int reason, std::string_view text, Instant now) = 0;
  virtual bool over(Instant now) const = 0;

 protected:
  PeerOptions options_;
  RecordingRandom random_;
  KeyPair keys_;
  std::size_t messages_received_ = 0;
};

// The authority of every recorded certificate.
SigningKey test_authority();

// A peer as programs have it: an Endpoint that talks to one user, whom it lets in or refuses.
class EndpointPeer final : public Peer {
 public:
  EndpointPeer(const PeerOptions& options, const Identity& user, UnixMillis unix_now);

  Endpoint& endpoint() { return *endpoint_; }
  // Killed, and started again with the same keys.
  void restart(Instant now, UnixMillis unix_now);
  Result send(Bytes payload, int flags, ChannelId channel, Instant now) override;
  void close(int reason, std::string_view text, Instant now) override;
  void accept(Instant now) { endpoint_->accept(user_, now); }
  // How the other end is reached, if not at an address.
  void set_contact(SignalRemote contact, const PublicKey& key) { contact_ = {contact, key}; }
  bool over(Instant now) const override;

  void receive(const IpAddress& from, MutableBytes datagram, Instant now) override;
  void advance(Instant now) override { endpoint_->advance(now); }
  std::optional<Transmit> poll_transmit(MutableBytes buffer, Instant now) override;
  Instant next_deadline() const override { return endpoint_->next_deadline(); }
  bool turn(Instant now) override;

 private:
  bool take_events(Instant now);

  Identity user_;
  WallClock clock_;
  std::optional<Endpoint> endpoint_;
  std::optional<std::pair<SignalRemote, PublicKey>> contact_;
  std::vector<DeliveredMessage> delivered_;
};

// A peer that asks for what an Endpoint never asks for: the second suite, and a version that nobody
// speaks yet. It opens with InitIK, and does not repeat it.
class PickyPeer final : public Peer {
 public:
  PickyPeer(const PeerOptions& options, const SuiteList& suites, VersionRange versions);

  void dial(const IpAddress& to, const PublicKey& key, Instant now);
  Result send(Bytes payload, int flags, ChannelId channel, Instant now) override;
  void close(int reason, std::string_view text, Instant now) override;
  bool over(Instant now) const override;

  void receive(const IpAddress& from, MutableBytes datagram, Instant now) override;
  void advance(Instant now) override;
  std::optional<Transmit> poll_transmit(MutableBytes buffer, Instant now) override;
  Instant next_deadline() const override;
  bool turn(Instant now) override;

 private:
  struct Waiting {
    ChannelId channel;
    SharedBytes payload;
  };

  void write_init(Instant now);
  void on_answer(Bytes datagram, Instant now);
  void establish(Instant now);
  UnixMillis stamp(Instant now) const;

  HandshakeConfig handshake_;
  std::optional<Initiator> initiator_;
  IpAddress to_;
  std::vector<std::uint8_t> init_;
  SlabAllocator slabs_;
  std::optional<Session> session_;
  std::vector<Waiting> waiting_;
  std::vector<ReceivedMessage> received_;
  Counters counters_;
};

}  // namespace whimbrel::vectors
