// Who sent what to whom, and what came of it. Every payload names its sender, flow and number and
// is filled with bytes that follow from them, so that the receiver alone can tell whether it is
// whole, new and in order.
//
//   reliable    exactly once, in order per channel, the same bytes; within one session without a gap; what never came
//               must be explained: the sender was told, or one of the two applications closed or dropped it
//   unreliable  the same bytes, at most once
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/shared_bytes.h"
#include "endpoint/endpoint.h"
#include "sim/node.h"
#include "sim/simulation.h"

namespace whimbrel::sim {

class Ledger {
 public:
  // The fields that every payload begins with.
  static constexpr std::size_t kSizeMin = 32;

  explicit Ledger(Simulation& simulation) : simulation_(simulation) {}

  // One life of one endpoint.
  std::uint32_t new_life(NodeId node);
  // The payload of the next message of a flow; noted only by on_taken(), so that a refused send
  // leaves no gap. `name`: by which of its names the receiver is called; order holds for each
  // alone. 24 bits.
  SharedBytes make(std::uint32_t life, NodeId to, ChannelId channel, bool reliable,
                   std::size_t size, std::uint32_t name = 0) const;
  void on_taken(std::uint32_t life, NodeId to, ChannelId channel, bool reliable,
                std::uint32_t name = 0);
  // The application of `node` has it.
  void on_delivered(NodeId node, std::uint32_t receiver_life, SessionId session,
                    const ReceivedMessage& message);
  // The application of `node` closed the session or channel before it took this one.
  void on_dropped(NodeId node, std::uint32_t receiver_life, SessionId session,
                  const ReceivedMessage& message);
  // The sender knows that what it sent to `to` until now may be lost: it was told, or closed or
  // restarted itself.
  void on_break(std::uint32_t life, NodeId to);
  void on_break_with_all(std::uint32_t life);

  // The node that made a payload, by what the payload says; kNobody if it is none of ours.
  NodeId sender_of(Bytes payload) const;

  // Reliable messages neither delivered nor dropped nor explained by a break.
  std::uint64_t missing() const;
  // Reports each flow with unexplained ones as a violation.
  void demand_complete();
  std::uint64_t delivered() const { return delivered_; }
  std::uint64_t delivered(std::uint32_t life, NodeId to, ChannelId channel, bool reliable) const;
  std::uint64_t taken(std::uint32_t life, NodeId to, ChannelId channel, bool reliable) const;

 private:
  struct FlowKey {
    std::uint32_t life = 0;
    NodeId to = kNobody;
    ChannelId channel{};
    bool reliable = false;
    std::uint32_t name = 0;
    friend auto operator<=>(const FlowKey&, const FlowKey&) = default;
    // But for the name.
    bool is_like(const FlowKey& other) const {
      return life == other.life && to == other.to && channel == other.channel &&
             reliable == other.reliable;
    }
  };
  // Tells what came first within one instant.
  struct Moment {
    Instant at;
    std::uint64_t order = 0;
  };
  struct Flow {
    std::vector<Moment> taken;
    std::vector<bool> arrived;
    std::uint64_t next_in_order = 0;  // one past the last that arrived
    // Where each session of the receiver stands: {life, session} -> one past the last.
    std::map<std::pair<std::uint32_t, SessionId>, std::uint64_t> sessions;
  };
  struct Header {
    FlowKey key;
    std::uint64_t number = 0;
    std::uint32_t size = 0;
  };

  static bool read_header(Bytes payload, Header& header);
  static void fill(MutableBytes payload, const Header& header);
  void take(NodeId node, std::uint32_t receiver_life, SessionId session,
            const ReceivedMessage& message);
  void check_order(Flow& flow, const Header& header, std::uint32_t receiver_life,
                   SessionId session);
  Moment moment() { return {simulation_.now(), next_order_++}; }
  bool broken_since(std::uint32_t life, NodeId to, const Moment& when) const;
  std::uint64_t missing(const FlowKey& key, const Flow& flow) const;
  static std::string describe(const FlowKey& key);

  Simulation& simulation_;
  std::uint32_t next_life_ = 1;
  std::map<std::uint32_t, NodeId> nodes_;
  std::map<FlowKey, Flow> flows_;
  std::map<std::pair<std::uint32_t, NodeId>, Moment> breaks_;  // the last one
  std::uint64_t delivered_ = 0;
  std::uint64_t next_order_ = 0;
};

}  // namespace whimbrel::sim
