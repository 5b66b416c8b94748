#include "sim/simulation.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace whimbrel::sim {

namespace {
// A node that wants to be called again and again at one instant does not keep the contract.
constexpr unsigned kAdvancesMax = 64;
constexpr unsigned kTurnsMax = 4096;
constexpr std::size_t kBatchMax = 65536;

std::uint64_t pair_key(NodeId a, NodeId b) {
  return std::uint64_t{std::min(a, b)} << 32 | std::max(a, b);
}
}  // namespace

Simulation::Simulation(std::uint64_t seed)
    : random_(seed), buffer_(kBatchMax), printing_(std::getenv("WHIMBREL_SIM_PRINT") != nullptr) {
  observers_.push_back(&trace_);
}

NodeId Simulation::attach(Node& node, const IpAddress& address, Nat* nat) {
  const auto id = static_cast<NodeId>(places_.size());
  places_.push_back(std::make_unique<Place>());
  place(id).node = &node;
  place(id).address = address;
  place(id).nat = nat;
  by_address_[address] = id;
  return id;
}

Nat& Simulation::add_nat(const NatConfig& config) {
  nats_.push_back(std::make_unique<Nat>(config));
  return *nats_.back();
}

void Simulation::set_line(NodeId id, const LinkConfig& config) {
  uplink(id).config() = config;
  downlink(id).config() = config;
}

void Simulation::move(NodeId id, const IpAddress& address) {
  by_address_.erase(place(id).address);
  place(id).address = address;
  by_address_[address] = id;
}

void Simulation::set_blocked(NodeId a, NodeId b, bool blocked) {
  blocked_[pair_key(a, b)] = blocked;
}

void Simulation::sleep(NodeId id, bool clock_stops) {
  Place& p = place(id);
  if (p.asleep) return;
  p.asleep = true;
  p.clock_stops = clock_stops;
  p.slept_at = now_;
}

void Simulation::wake_up(NodeId id) {
  Place& p = place(id);
  if (!p.asleep) return;
  p.asleep = false;
  if (p.clock_stops) p.clock_behind += now_ - p.slept_at;
  p.node->advance(local_now(id));
  touch(id);
}

void Simulation::restarted(NodeId id) {
  for (PacketObserver* observer : observers_) observer->on_restart(id);
  touch(id);
}

void Simulation::touch(NodeId id) {
  if (place(id).touched) return;
  place(id).touched = true;
  touched_.push_back(id);
}

void Simulation::at(Instant when, std::function<void()> call) {
  std::uint32_t index = 0;
  if (free_calls_.empty()) {
    index = static_cast<std::uint32_t>(calls_.size());
    calls_.emplace_back();
  } else {
    index = free_calls_.back();
    free_calls_.pop_back();
  }
  calls_[index] = std::move(call);
  events_.push(std::max(when, now_), EventKind::kCall, index);
}

// --- running -------------------------------------------------------------------------------------

void Simulation::run_until(Instant end) {
  while (step(end)) {
  }
  now_ = std::max(now_, end);
}

bool Simulation::run_until(const std::function<bool()>& done, Duration time_max) {
  const Instant end = now_ + time_max;
  while (!done()) {
    if (!step(end)) {
      now_ = end;
      return done();
    }
  }
  return true;
}

bool Simulation::step(Instant end) {
  drain_touched();
  if (events_.empty() || events_.next() > end) return false;
  now_ = events_.next();
  while (!events_.empty() && events_.next() == now_) handle(events_.pop());
  drain_touched();
  return true;
}

void Simulation::handle(const SimEvent& event) {
  switch (event.kind) {
    case EventKind::kTimer:
      return on_timer(event.subject);
    case EventKind::kUplinked:
      return cross_core(event.subject);
    case EventKind::kArrived:
      return arrive(event.subject);
    case EventKind::kCall: {
      const std::function<void()> call = std::move(calls_[event.subject]);
      free_calls_.push_back(event.subject);
      call();
      return;
    }
  }
}

void Simulation::on_timer(NodeId id) {
  Place& p = place(id);
  if (p.timer > now_) return;  // an earlier one was set afterwards and has been served
  p.timer = kNever;
  if (p.asleep) return;
  const Instant local = local_now(id);
  if (p.node->next_deadline() <= local) {
    if (p.advanced_at != now_) p.advances = 0;
    p.advanced_at = now_;
    if (++p.advances > kAdvancesMax) {
      violation("node " + std::to_string(id) + " asks for the same deadline again and again");
      return;
    }
    p.node->advance(local);
  }
  touch(id);
}

void Simulation::drain_touched() {
  for (std::size_t i = 0; i < touched_.size(); ++i) drain(touched_[i]);
  touched_.clear();
}

void Simulation::drain(NodeId id) {
  Place& p = place(id);
  p.touched = false;
  if (p.asleep) return;
  const Instant local = local_now(id);
  for (unsigned turns = 0;; ++turns) {
    while (const std::optional<Transmit> batch = p.node->poll_transmit(buffer_, local)) {
      ASSERT(batch->size > 0 && batch->segment_size > 0 && batch->size <= buffer_.size());
      for (std::size_t at = 0; at < batch->size; at += batch->segment_size) {
        const std::size_t size = std::min(batch->segment_size, batch->size - at);
        send(id, batch->to, Bytes(buffer_).subspan(at, size));
      }
    }
    if (!p.node->turn(local)) break;
    if (turns > kTurnsMax)
      return violation("node " + std::to_string(id) + " does not come to rest");
  }
  schedule(id);
}

void Simulation::schedule(NodeId id) {
  Place& p = place(id);
  const Instant deadline = p.node->next_deadline();
  if (deadline == kNever) return;
  const Instant when = std::max(now_, deadline + p.clock_behind);
  if (when >= p.timer) return;  // that event looks again
  p.timer = when;
  events_.push(when, EventKind::kTimer, id);
}

// --- packets -------------------------------------------------------------------------------------

Simulation::PacketIndex Simulation::new_packet() {
  if (free_packets_.empty()) {
    packets_.push_back(std::make_unique<Packet>());
    return static_cast<PacketIndex>(packets_.size() - 1);
  }
  const PacketIndex index = free_packets_.back();
  free_packets_.pop_back();
  return index;
}

Simulation::PacketIndex Simulation::copy_packet(PacketIndex original) {
  const PacketIndex copy = new_packet();
  *packets_[copy] = *packets_[original];
  return copy;
}

void Simulation::send(NodeId id, const IpAddress& to, Bytes bytes) {
  Place& p = place(id);
  ++p.packets_sent;
  p.bytes_sent += bytes.size();
  PacketView view{now_, next_number_++, id, kNobody, p.address, to, bytes};
  for (PacketObserver* observer : observers_) observer->on_sent(view);
  if (printing_) print("sent", view);
  const Fate fate = filter_ ? filter_(view) : Fate{};
  for (unsigned i = 0; i < fate.copies; ++i) {
    const PacketIndex index = new_packet();
    Packet& packet = *packets_[index];
    packet.bytes.assign(bytes.begin(), bytes.end());
    packet.number = view.number;
    packet.sender = id;
    packet.receiver = kNobody;
    packet.from = p.address;
    packet.to = packet.original_to = to;
    packet.corrupted = false;
    if (fate.delay > Duration::zero()) {
      after(fate.delay, [this, index] { enter_uplink(index); });
    } else {
      enter_uplink(index);
    }
  }
}

void Simulation::enter_uplink(PacketIndex index) {
  const Packet& packet = *packets_[index];
  const Passage passage = place(packet.sender).up.pass(packet.bytes.size(), random_, now_);
  if (passage.count == 0) return free_packet(index);
  for (unsigned i = 0; i < passage.count; ++i) {
    const PacketIndex copy = i + 1 < passage.count ? copy_packet(index) : index;
    packets_[copy]->corrupted |= passage.arrivals[i].corrupted;
    events_.push(passage.arrivals[i].at, EventKind::kUplinked, copy);
  }
}

NodeId Simulation::route(Packet& packet) {
  if (packet.sender != kNobody) {
    Nat* nat = place(packet.sender).nat;
    if (nat != nullptr) {
      const auto outside = nat->outbound(packet.from, packet.to, random_, now_);
      if (!outside) return kNobody;
      packet.from = *outside;
    }
  }
  Nat* entered = nullptr;
  for (const auto& nat : nats_) {
    if (nat->config().outside.bytes != packet.to.bytes) continue;
    const auto inside = nat->inbound(packet.to.port, packet.from, now_);
    if (!inside) return kNobody;
    const bool hairpin = packet.sender != kNobody && place(packet.sender).nat == nat.get();
    if (hairpin && !nat->config().hairpin) return kNobody;
    packet.to = *inside;
    entered = nat.get();
  }
  const auto found = by_address_.find(packet.to);
  if (found == by_address_.end()) return kNobody;
  // A private address is known behind its translator only.
  return place(found->second).nat == entered ? found->second : kNobody;
}

void Simulation::cross_core(PacketIndex index) {
  Packet& packet = *packets_[index];
  packet.receiver = route(packet);
  if (packet.receiver == kNobody) {
    ++unroutable_;
    return free_packet(index);
  }
  if (packet.sender != kNobody && !blocked_.empty()) {
    const auto blocked = blocked_.find(pair_key(packet.sender, packet.receiver));
    if (blocked != blocked_.end() && blocked->second) return free_packet(index);
  }
  const Passage passage = place(packet.receiver).down.pass(packet.bytes.size(), random_, now_);
  if (passage.count == 0) return free_packet(index);
  for (unsigned i = 0; i < passage.count; ++i) {
    const PacketIndex copy = i + 1 < passage.count ? copy_packet(index) : index;
    packets_[copy]->corrupted |= passage.arrivals[i].corrupted;
    events_.push(passage.arrivals[i].at, EventKind::kArrived, copy);
  }
}

void Simulation::corrupt(std::vector<std::uint8_t>& bytes) {
  if (bytes.empty()) return;
  const std::uint64_t changes = 1 + random_.below(4);
  for (std::uint64_t i = 0; i < changes; ++i) {
    std::uint8_t& byte = bytes[random_.below(bytes.size())];
    byte = static_cast<std::uint8_t>(byte ^ (1 + random_.below(255)));
  }
}

void Simulation::arrive(PacketIndex index) {
  Packet& packet = *packets_[index];
  Place& p = place(packet.receiver);
  if (!p.asleep && p.address == packet.to) {
    if (packet.corrupted) corrupt(packet.bytes);
    const PacketView view{now_,        packet.number,      packet.sender, packet.receiver,
                          packet.from, packet.original_to, packet.bytes};
    for (PacketObserver* observer : observers_) observer->on_delivered(view);
    if (printing_) print("got ", view);
    p.node->receive(packet.from, packet.bytes, local_now(packet.receiver));
    touch(packet.receiver);
  }
  free_packet(index);
}

void Simulation::inject(const IpAddress& from, const IpAddress& to, Bytes bytes) {
  const PacketIndex index = new_packet();
  Packet& packet = *packets_[index];
  packet.bytes.assign(bytes.begin(), bytes.end());
  packet.number = next_number_++;
  packet.sender = packet.receiver = kNobody;
  packet.from = from;
  packet.to = packet.original_to = to;
  packet.corrupted = false;
  events_.push(now_, EventKind::kUplinked, index);
}

void Simulation::violation(const std::string& text) {
  if (violations_.size() >= kViolationsMax) return;
  const double at = to_seconds(now_.time_since_epoch());
  violations_.push_back(std::to_string(at) + " s: " + text);
}

void Simulation::print(const char* what, const PacketView& view) const {
  std::string head;
  for (std::size_t i = 0; i < std::min<std::size_t>(view.bytes.size(), 10); ++i) {
    char digits[4];
    std::snprintf(digits, sizeof digits, "%02x", view.bytes[i]);
    head += digits;
  }
  std::fprintf(stderr, "%12.6f %s #%llu %s -> %s %zu bytes %s\n",
               to_seconds(now_.time_since_epoch()), what,
               static_cast<unsigned long long>(view.number), view.from.text().c_str(),
               view.to.text().c_str(), view.bytes.size(), head.c_str());
}

}  // namespace whimbrel::sim
