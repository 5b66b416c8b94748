// A network in a box: nodes, their lines, address translators and a clock of its own. Everything
// comes from one seed.
//
//   host -> uplink -> (NAT) -> an instant core -> (NAT) -> downlink -> host
//
// The run goes from event to event. All that happens at one instant is handed in first; then the
// nodes concerned are drained, in the order in which they were touched. Not thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "sim/event_queue.h"
#include "sim/link.h"
#include "sim/nat.h"
#include "sim/node.h"
#include "sim/packet_observer.h"
#include "sim/packet_trace.h"

namespace whimbrel::sim {

// What a filter decides about a datagram that leaves a node, before any link sees it.
struct Fate {
  unsigned copies = 1;  // 0: lost
  Duration delay{};     // before the uplink
};

// Wall clock at the start of every simulation.
inline constexpr UnixMillis kUnixStart = 1'800'000'000'000;

class Simulation {
 public:
  using Filter = std::function<Fate(const PacketView&)>;

  explicit Simulation(std::uint64_t seed);
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  // --- building ----------------------------------------------------------------------------------
  // `node` must outlive the simulation's last run. Behind `nat` the address is a private one.
  NodeId attach(Node& node, const IpAddress& address, Nat* nat = nullptr);
  Nat& add_nat(const NatConfig& config);
  Link& uplink(NodeId id) { return place(id).up; }
  Link& downlink(NodeId id) { return place(id).down; }
  // Both directions of a node's line.
  void set_line(NodeId id, const LinkConfig& config);
  const IpAddress& address(NodeId id) const { return places_[id]->address; }
  // The node has another address from now on; nobody answers at the old one.
  void move(NodeId id, const IpAddress& address);
  // Packets between the two vanish.
  void set_blocked(NodeId a, NodeId b, bool blocked);
  void set_filter(Filter filter) { filter_ = std::move(filter); }
  void observe(PacketObserver& observer) { observers_.push_back(&observer); }

  // --- faults of a node --------------------------------------------------------------------------
  // Asleep: no timers, nothing is received. `clock_stops`: its clock has not moved when it wakes up
  // (suspend under CLOCK_MONOTONIC); otherwise all its deadlines are past at once.
  void sleep(NodeId id, bool clock_stops);
  void wake_up(NodeId id);
  bool asleep(NodeId id) const { return places_[id]->asleep; }
  // The node begins a new life: observers are told.
  void restarted(NodeId id);

  // --- running -----------------------------------------------------------------------------------
  Instant now() const { return now_; }
  UnixMillis unix_now() const { return kUnixStart + to_milliseconds(now_.time_since_epoch()); }
  // What the node's own clock says.
  Instant local_now(NodeId id) const { return now_ - places_[id]->clock_behind; }
  Random& random() { return random_; }
  // The node was given a command: drain it before anything else happens.
  void touch(NodeId id);
  void at(Instant when, std::function<void()> call);
  void after(Duration delay, std::function<void()> call) { at(now_ + delay, std::move(call)); }
  // A datagram from nowhere, straight to the receiver's downlink; `from` may be anything.
  void inject(const IpAddress& from, const IpAddress& to, Bytes bytes);
  void run_for(Duration time) { run_until(now_ + time); }
  void run_until(Instant end);
  // Runs until `done`, asked after each instant, says so; false when `time_max` passed first.
  bool run_until(const std::function<bool()>& done, Duration time_max);

  // --- findings ----------------------------------------------------------------------------------
  // Something that must not happen did. The first kViolationsMax are kept.
  void violation(const std::string& text);
  const std::vector<std::string>& violations() const { return violations_; }
  static constexpr std::size_t kViolationsMax = 20;
  const PacketTrace& trace() const { return trace_; }
  std::uint64_t packets_from(NodeId id) const { return places_[id]->packets_sent; }
  std::uint64_t bytes_from(NodeId id) const { return places_[id]->bytes_sent; }
  std::uint64_t packets_unroutable() const { return unroutable_; }

 private:
  struct Place {
    Node* node = nullptr;
    IpAddress address;
    Nat* nat = nullptr;
    Link up, down;
    Instant timer = kNever;  // when its next kTimer event comes
    bool touched = false;
    bool asleep = false;
    bool clock_stops = false;
    Instant slept_at;
    Duration clock_behind{};
    Instant advanced_at = Instant::min();
    unsigned advances = 0;  // at advanced_at
    std::uint64_t packets_sent = 0, bytes_sent = 0;
  };
  struct Packet {
    std::vector<std::uint8_t> bytes;
    std::uint64_t number = 0;
    NodeId sender = kNobody, receiver = kNobody;
    IpAddress from, to;  // as on the wire now
    IpAddress original_to;
    bool corrupted = false;
  };
  using PacketIndex = std::uint32_t;

  Place& place(NodeId id) { return *places_[id]; }
  bool step(Instant end);
  void handle(const SimEvent& event);
  void on_timer(NodeId id);
  void drain_touched();
  void drain(NodeId id);
  void schedule(NodeId id);
  void send(NodeId id, const IpAddress& to, Bytes bytes);
  void enter_uplink(PacketIndex index);
  void cross_core(PacketIndex index);
  NodeId route(Packet& packet);
  void arrive(PacketIndex index);
  void corrupt(std::vector<std::uint8_t>& bytes);
  PacketIndex new_packet();
  PacketIndex copy_packet(PacketIndex original);
  void free_packet(PacketIndex index) { free_packets_.push_back(index); }
  void print(const char* what, const PacketView& view) const;

  FastRandom random_;
  Instant now_{};
  EventQueue events_;
  std::vector<std::unique_ptr<Place>> places_;
  std::vector<std::unique_ptr<Nat>> nats_;
  std::unordered_map<IpAddress, NodeId, IpAddressHash> by_address_;  // looked up only
  std::unordered_map<std::uint64_t, bool> blocked_;                  // looked up only
  std::vector<NodeId> touched_;
  std::vector<std::unique_ptr<Packet>> packets_;
  std::vector<PacketIndex> free_packets_;
  std::vector<std::function<void()>> calls_;
  std::vector<std::uint32_t> free_calls_;
  std::vector<std::uint8_t> buffer_;
  std::uint64_t next_number_ = 0;
  std::uint64_t unroutable_ = 0;
  Filter filter_;
  std::vector<PacketObserver*> observers_;
  PacketTrace trace_;
  bool printing_ = false;
  std::vector<std::string> violations_;
};

}  // namespace whimbrel::sim
