// Rules that hold in every simulation, checked from outside by watching packets.
#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

#include "base/ring_buffer.h"

#include "sim/simulation.h"
#include "wire/packet.h"

namespace whimbrel::sim {

// A nonce is never used twice: the packet numbers that one life of a node puts under one receiver
// index only go up. (The number on the wire is cut short; whoever sees every packet can tell the
// whole one.) Within packets of a relay's leg, a number may come again if all of the packet does:
// then it is the same one, by another way.
class NonceChecker final : public PacketObserver {
 public:
  explicit NonceChecker(Simulation& simulation) : simulation_(simulation) {}
  void on_sent(const PacketView& packet) override;
  void on_restart(NodeId node) override { ++lives_[node]; }

 private:
  struct Key {
    NodeId node = kNobody;
    std::uint32_t life = 0;
    ReceiverIndex index = 0;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const {
      return (std::uint64_t{key.node} << 40 ^ std::uint64_t{key.life} << 32 ^ key.index) *
             0x9e3779b97f4a7c15;
    }
  };
  void check_copy(const Key& key, std::uint64_t number, Bytes packet);

  Simulation& simulation_;
  std::unordered_map<Key, std::uint64_t, KeyHash> next_;  // one past the last number
  // What went through relays: a hash of each packet, by its number. 0: none.
  std::unordered_map<Key, std::vector<std::uint64_t>, KeyHash> relayed_;
  std::map<NodeId, std::uint32_t> lives_;
};

// RFC 9000 8.1: an address that spoke to us first gets at most three times the bytes it sent, until
// it has shown that it hears us: whoever is there sent something, from wherever (8.2.3), after
// something of ours had reached it.
class AmplificationChecker final : public PacketObserver {
 public:
  explicit AmplificationChecker(Simulation& simulation) : simulation_(simulation) {}
  void on_sent(const PacketView& packet) override;
  void on_delivered(const PacketView& packet) override;
  void on_restart(NodeId node) override;

 private:
  struct Remote {
    bool we_began = false, heard_us = false, validated = false;
    std::uint64_t received = 0, sent = 0;
  };
  using Table = std::unordered_map<IpAddress, Remote, IpAddressHash>;  // looked up only

  Table& table(NodeId node);

  Simulation& simulation_;
  std::vector<Table> tables_;
  // Where a node has heard another, which has not heard it since.
  std::map<std::pair<NodeId, NodeId>, std::vector<IpAddress>> heard_at_;
};

// Packets of each node over a stretch of time: a quiet line stays quiet.
class QuietMeter {
 public:
  QuietMeter(const Simulation& simulation, NodeId node)
      : simulation_(simulation),
        node_(node),
        since_(simulation.now()),
        packets_(simulation.packets_from(node)) {}
  double packets_per_second() const {
    const double passed = to_seconds(simulation_.now() - since_);
    return static_cast<double>(simulation_.packets_from(node_) - packets_) / passed;
  }

 private:
  const Simulation& simulation_;
  NodeId node_;
  Instant since_;
  std::uint64_t packets_;
};

// Bytes in flight stay within the window. From outside: what left within the last round trip cannot
// have been acknowledged or given up yet, so it is in flight. Only for lines with one constant
// delay. `slack_bytes`: probes and acknowledgements, which the window does not count.
class FlightChecker final : public PacketObserver {
 public:
  FlightChecker(Simulation& simulation, NodeId node, Duration round_trip, std::uint64_t slack_bytes)
      : simulation_(simulation), node_(node), round_trip_(round_trip), slack_bytes_(slack_bytes) {}
  void on_sent(const PacketView& packet) override;
  // Tell it the window after every step: what left in the step was sent under the window that the
  // step ended with.
  void on_window(std::uint64_t bytes);
  std::uint64_t peak_bytes() const { return peak_bytes_; }

 private:
  struct Sample {
    Instant at;
    std::uint64_t value = 0;
  };
  void forget_old();

  Simulation& simulation_;
  NodeId node_;
  Duration round_trip_;
  std::uint64_t slack_bytes_;
  RingBuffer<Sample> sent_, windows_;
  std::uint64_t in_flight_ = 0, peak_since_window_ = 0, peak_bytes_ = 0;
};

}  // namespace whimbrel::sim
