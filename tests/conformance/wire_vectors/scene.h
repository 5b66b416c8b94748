// One recorded session: two peers, what they were told to say, every datagram, and the JSON of it
// all.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "sim/simulation.h"
#include "tests/conformance/wire_vectors/peers.h"

namespace whimbrel::vectors {

// Every datagram in the order of sending, and whether it arrived.
class Recording final : public sim::PacketObserver {
 public:
  struct Datagram {
    std::size_t from = 0;  // which end
    std::string source, target;
    bool delivered = false;
    std::vector<std::uint8_t> bytes;
  };

  void on_sent(const sim::PacketView& packet) override;
  void on_delivered(const sim::PacketView& packet) override;
  const std::vector<Datagram>& datagrams() const { return datagrams_; }
  // Of the data packets of one end.
  std::size_t key_phase_changes(std::size_t end) const;

 private:
  std::vector<Datagram> datagrams_;
};

// What the recorder claims, beside what it counts itself.
struct Claims {
  std::string handshake;  // "0 InitIK, 1 RespIK"
  int suite = 1;          // 0: no session came about
  std::array<int, 2> challenges_answered{};
  std::array<std::size_t, 2> largest_proven{1200, 1200};
  std::string paths;            // "0 ended, 1"; empty: there was the first path only
  std::array<int, 2> copied{};  // unreliable messages that left on two paths
};

class Scene {
 public:
  static constexpr Duration kOneWay = milliseconds(5);

  // The ends live at 10.0.0.1:4000 and 10.0.0.2:4000, 10 ms apart.
  Scene(std::string name, std::unique_ptr<Peer> a, std::unique_ptr<Peer> b);

  sim::Simulation& simulation() { return simulation_; }
  Instant now() const { return simulation_.now(); }
  static IpAddress address(std::size_t end);
  template <typename Kind>
  Kind& peer(std::size_t end) {
    return static_cast<Kind&>(*peers_[end]);
  }

  // `flags` of send_flags.h; which kind on the wire follows from them and the size.
  void say(std::size_t end, std::size_t size, int flags, ChannelId channel = 0);
  void close(std::size_t end, int reason, std::string text);
  // The other end was told so, without a call of close() here.
  void claim_close(std::size_t end, int reason, std::string text);
  // The next datagram of this end that is at least so large is lost.
  void lose_one(std::size_t end, std::size_t size_min);
  void run_for(Duration time) { simulation_.run_for(time); }
  // Until all that was said has arrived; exits with a message when it does not.
  void run_until_arrived();
  // Until neither end has a session.
  void run_until_over();

  // Appends the session's JSON object.
  void write(const Claims& claims, std::string& out) const;

 private:
  struct Message {
    std::string kind;
    ChannelId channel;
    std::vector<std::uint8_t> bytes;
  };
  struct Close {
    std::size_t end;
    int reason;
    std::string text;
  };

  void write_end(std::size_t end, std::string& out) const;
  void write_datagrams(std::string& out) const;
  void write_expectations(const Claims& claims, std::string& out) const;
  std::vector<SecretKey> ephemeral_keys(std::size_t end) const;
  bool is_on_the_wire(const PublicKey& key) const;
  std::string messages_json(std::size_t end) const;
  std::string closes_json() const;

  std::string name_;
  sim::Simulation simulation_{1};
  Recording recording_;
  std::array<std::unique_ptr<Peer>, 2> peers_;
  std::array<std::vector<Message>, 2> said_;
  std::vector<Close> closes_;
};

}  // namespace whimbrel::vectors
