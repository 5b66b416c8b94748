#include "sim/ledger.h"

#include <algorithm>

namespace whimbrel::sim {

namespace {
constexpr std::uint32_t kMagic = 0x57484d42;

std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}
}  // namespace

std::uint32_t Ledger::new_life(NodeId node) {
  nodes_[next_life_] = node;
  return next_life_++;
}

//  magic 4 | sender's life 4 | receiver 4 | channel 4 | number 8 | reliable 1 | name 3 | size 4 | filling
void Ledger::fill(MutableBytes payload, const Header& header) {
  ByteWriter out(payload);
  out.u32(kMagic);
  out.u32(header.key.life);
  out.u32(header.key.to);
  out.u32(static_cast<std::uint32_t>(header.key.channel));
  out.u64(header.number);
  out.u32((header.key.reliable ? 0x01000000u : 0u) | header.key.name);
  out.u32(header.size);
  std::uint64_t state = mix(std::uint64_t{header.key.life} << 32 ^ header.key.to) ^
                        mix(header.number * 4 + header.key.reliable * 2 + 1) ^
                        mix(static_cast<std::uint32_t>(header.key.channel) + 77u);
  while (out.remaining() >= 8) out.u64(state = state * 6364136223846793005 + 1442695040888963407);
  while (out.remaining() > 0) out.u8(static_cast<std::uint8_t>((state += 0x9e37) >> 3));
}

bool Ledger::read_header(Bytes payload, Header& header) {
  ByteReader in(payload);
  if (in.u32() != kMagic) return false;
  header.key.life = in.u32();
  header.key.to = in.u32();
  header.key.channel = static_cast<ChannelId>(static_cast<std::int32_t>(in.u32()));
  header.number = in.u64();
  const std::uint32_t kind = in.u32();
  header.key.reliable = kind >> 24 != 0;
  header.key.name = kind & 0xffffff;
  header.size = in.u32();
  return in.ok() && header.size == payload.size();
}

SharedBytes Ledger::make(std::uint32_t life, NodeId to, ChannelId channel, bool reliable,
                         std::size_t size, std::uint32_t name) const {
  ASSERT(size >= kSizeMin && size <= kMessageSizeMax);
  Header header{{life, to, channel, reliable, name}, 0, static_cast<std::uint32_t>(size)};
  const auto found = flows_.find(header.key);
  if (found != flows_.end()) header.number = found->second.taken.size();
  std::vector<std::uint8_t> bytes(size);
  fill(bytes, header);
  return SharedBytes::copy(bytes);
}

void Ledger::on_taken(std::uint32_t life, NodeId to, ChannelId channel, bool reliable,
                      std::uint32_t name) {
  Flow& flow = flows_[{life, to, channel, reliable, name}];
  flow.taken.push_back(moment());
  flow.arrived.push_back(false);
}

std::string Ledger::describe(const FlowKey& key) {
  return "life " + std::to_string(key.life) + " to node " + std::to_string(key.to) + " channel " +
         std::to_string(static_cast<std::int32_t>(key.channel)) +
         (key.reliable ? " reliable" : " unreliable");
}

void Ledger::check_order(Flow& flow, const Header& header, std::uint32_t receiver_life,
                         SessionId session) {
  const std::string what = describe(header.key) + " #" + std::to_string(header.number);
  if (header.number < flow.next_in_order) simulation_.violation("out of order: " + what);
  const auto [position, first] = flow.sessions.try_emplace({receiver_life, session}, header.number);
  if (!first && header.number != position->second) {
    simulation_.violation("a gap within a session, expected #" + std::to_string(position->second) +
                          ": " + what);
  }
  position->second = header.number + 1;
  flow.next_in_order = header.number + 1;
}

void Ledger::take(NodeId node, std::uint32_t receiver_life, SessionId session,
                  const ReceivedMessage& message) {
  const Bytes payload = message.payload.view();
  Header header;
  if (!read_header(payload, header)) return simulation_.violation("a message that nobody sent");
  const std::string what = describe(header.key) + " #" + std::to_string(header.number);
  std::vector<std::uint8_t> expected(payload.size());
  fill(expected, header);
  if (!equal(expected, payload)) return simulation_.violation("other bytes than sent: " + what);
  const auto found = flows_.find(header.key);
  if (found == flows_.end() || header.number >= found->second.taken.size()) {
    return simulation_.violation("a message that was never taken: " + what);
  }
  if (header.key.to != node) return simulation_.violation("at the wrong node: " + what);
  if (header.key.channel != message.channel) return simulation_.violation("wrong channel: " + what);
  if (header.key.reliable && !message.reliable) {
    return simulation_.violation("marked unreliable: " + what);
  }
  Flow& flow = found->second;
  if (flow.arrived[header.number]) return simulation_.violation("twice: " + what);
  flow.arrived[header.number] = true;
  if (header.key.reliable) check_order(flow, header, receiver_life, session);
}

void Ledger::on_delivered(NodeId node, std::uint32_t receiver_life, SessionId session,
                          const ReceivedMessage& message) {
  ++delivered_;
  take(node, receiver_life, session, message);
}

void Ledger::on_dropped(NodeId node, std::uint32_t receiver_life, SessionId session,
                        const ReceivedMessage& message) {
  take(node, receiver_life, session, message);
}

NodeId Ledger::sender_of(Bytes payload) const {
  Header header;
  if (!read_header(payload, header)) return kNobody;
  const auto found = nodes_.find(header.key.life);
  return found == nodes_.end() ? kNobody : found->second;
}

void Ledger::on_break(std::uint32_t life, NodeId to) { breaks_[{life, to}] = moment(); }

void Ledger::on_break_with_all(std::uint32_t life) {
  for (const auto& [key, flow] : flows_) {
    if (key.life == life) on_break(life, key.to);
  }
}

bool Ledger::broken_since(std::uint32_t life, NodeId to, const Moment& when) const {
  const auto found = breaks_.find({life, to});
  return found != breaks_.end() && found->second.order > when.order;
}

std::uint64_t Ledger::missing(const FlowKey& key, const Flow& flow) const {
  std::uint64_t count = 0;
  for (std::size_t i = 0; key.reliable && i < flow.taken.size(); ++i) {
    if (!flow.arrived[i] && !broken_since(key.life, key.to, flow.taken[i])) ++count;
  }
  return count;
}

std::uint64_t Ledger::missing() const {
  std::uint64_t count = 0;
  for (const auto& [key, flow] : flows_) count += missing(key, flow);
  return count;
}

void Ledger::demand_complete() {
  for (const auto& [key, flow] : flows_) {
    const std::uint64_t count = missing(key, flow);
    if (count == 0) continue;
    std::size_t first = 0;
    while (flow.arrived[first] || broken_since(key.life, key.to, flow.taken[first])) ++first;
    simulation_.violation(
        "silently lost: " + std::to_string(count) + " of " + std::to_string(flow.taken.size()) +
        " messages of " + describe(key) + ", the first is #" + std::to_string(first) + " sent at " +
        std::to_string(to_seconds(flow.taken[first].at.time_since_epoch())) + " s");
  }
}

std::uint64_t Ledger::delivered(std::uint32_t life, NodeId to, ChannelId channel,
                                bool reliable) const {
  std::uint64_t count = 0;
  auto it = flows_.lower_bound({life, to, channel, reliable, 0});
  for (; it != flows_.end() && it->first.is_like({life, to, channel, reliable, 0}); ++it) {
    const auto& arrived = it->second.arrived;
    count += static_cast<std::uint64_t>(std::count(arrived.begin(), arrived.end(), true));
  }
  return count;
}

std::uint64_t Ledger::taken(std::uint32_t life, NodeId to, ChannelId channel, bool reliable) const {
  std::uint64_t count = 0;
  auto it = flows_.lower_bound({life, to, channel, reliable, 0});
  for (; it != flows_.end() && it->first.is_like({life, to, channel, reliable, 0}); ++it) {
    count += it->second.taken.size();
  }
  return count;
}

}  // namespace whimbrel::sim
