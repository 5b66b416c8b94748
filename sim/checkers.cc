#include "sim/checkers.h"

#include <algorithm>

#include "relay/framing.h"

namespace whimbrel::sim {

namespace {

std::uint64_t hash_of(Bytes bytes) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const std::uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3;
  return hash | 1;
}

bool is_relay_send(Bytes bytes) {
  return bytes.size() > relay::kHeaderSize &&
         bytes[0] == static_cast<std::uint8_t>(relay::Kind::kSend);
}

}  // namespace

void NonceChecker::on_sent(const PacketView& packet) {
  const bool relayed = is_relay_send(packet.bytes);
  const Bytes bytes = relayed ? packet.bytes.subspan(relay::kHeaderSize) : packet.bytes;
  if (bytes.empty() || packet_kind(bytes[0]) != PacketKind::kData) return;
  const auto header = read_data_header(bytes);
  if (!header) return;
  const auto life = lives_.find(packet.sender);
  const Key key{packet.sender, life == lives_.end() ? 0 : life->second, header->receiver_index};
  std::uint64_t& next = next_[key];
  const std::uint64_t number =
      value(recover_packet_number(next, header->truncated_number, header->number_size));
  if (relayed) {
    check_copy(key, number, bytes);
  } else if (number < next) {
    simulation_.violation("node " + std::to_string(packet.sender) + " used packet number " +
                          std::to_string(number) + " again (next was " + std::to_string(next) +
                          ")");
  }
  next = std::max(next, number + 1);
}

void NonceChecker::check_copy(const Key& key, std::uint64_t number, Bytes packet) {
  std::vector<std::uint64_t>& seen = relayed_[key];
  if (seen.size() <= number) seen.resize(number + 1);
  const std::uint64_t hash = hash_of(packet);
  if (seen[number] != 0 && seen[number] != hash) {
    simulation_.violation("node " + std::to_string(key.node) + " used packet number " +
                          std::to_string(number) + " again for another packet through a relay");
  }
  seen[number] = hash;
}

AmplificationChecker::Table& AmplificationChecker::table(NodeId node) {
  if (node >= tables_.size()) tables_.resize(node + 1);
  return tables_[node];
}

void AmplificationChecker::on_sent(const PacketView& packet) {
  const auto [it, first] = table(packet.sender).try_emplace(packet.to);
  Remote& remote = it->second;
  // A dial goes where the application wants it to go, whatever came from there; a client's Open and
  // its probes of relays go where the rendezvous says.
  const bool probe = packet.bytes.size() > 1 && packet.bytes[0] == 0x00 && packet.bytes[1] == 0x01;
  const bool open = packet.bytes[0] == static_cast<std::uint8_t>(relay::Kind::kOpen);
  const bool dial = packet.bytes[0] == 0xe0 || packet.bytes[0] == 0xe2 || open || probe;
  remote.we_began |= first || dial;
  remote.sent += packet.bytes.size();
  if (remote.we_began || remote.validated || remote.sent <= 3 * remote.received) return;
  simulation_.violation("node " + std::to_string(packet.sender) + " sent " +
                        std::to_string(remote.sent) + " bytes to " + packet.to.text() +
                        ", which has sent " + std::to_string(remote.received) +
                        " and shown nothing");
}

void AmplificationChecker::on_delivered(const PacketView& packet) {
  Remote& remote = table(packet.receiver)[packet.from];
  remote.received += packet.bytes.size();
  // An injected packet may be a copy of a data packet: whoever made it has the keys, and has heard
  // us.
  const bool data = !packet.bytes.empty() && packet_kind(packet.bytes[0]) == PacketKind::kData;
  if (packet.sender != kNobody || data) remote.validated |= remote.heard_us;
  if (packet.sender == kNobody) return;
  const auto sent_to = table(packet.sender).find(packet.to);
  if (sent_to != table(packet.sender).end()) {
    if (!sent_to->second.heard_us) heard_at_[{packet.receiver, packet.sender}].push_back(packet.to);
    sent_to->second.heard_us = true;
  }
  std::vector<IpAddress>& heard_at = heard_at_[{packet.sender, packet.receiver}];
  for (const IpAddress& address : heard_at) table(packet.receiver)[address].validated = true;
  heard_at.clear();
}

void AmplificationChecker::on_restart(NodeId node) {
  table(node).clear();
  std::erase_if(heard_at_, [&](const auto& entry) { return entry.first.second == node; });
}

void FlightChecker::forget_old() {
  const Instant now = simulation_.now();
  while (!sent_.empty() && sent_.front().at + round_trip_ <= now) {
    in_flight_ -= sent_.front().value;
    sent_.pop_front();
  }
  // The window that was in force when the round trip began still counts: keep one that is older.
  while (windows_.size() > 1 && windows_[1].at + round_trip_ <= now) windows_.pop_front();
}

void FlightChecker::on_window(std::uint64_t bytes) {
  forget_old();
  if (windows_.empty() || windows_.back().value != bytes) {
    windows_.push_back({simulation_.now(), bytes});
  }
  std::uint64_t window = 0;
  for (std::size_t i = 0; i < windows_.size(); ++i) window = std::max(window, windows_[i].value);
  if (peak_since_window_ > window + slack_bytes_) {
    simulation_.violation("node " + std::to_string(node_) + " has " +
                          std::to_string(peak_since_window_) + " bytes in flight, the window is " +
                          std::to_string(window));
  }
  peak_since_window_ = in_flight_;
}

void FlightChecker::on_sent(const PacketView& packet) {
  if (packet.sender != node_ || packet_kind(packet.bytes[0]) != PacketKind::kData) return;
  forget_old();
  sent_.push_back({packet.now, packet.bytes.size()});
  in_flight_ += packet.bytes.size();
  peak_since_window_ = std::max(peak_since_window_, in_flight_);
  peak_bytes_ = std::max(peak_bytes_, in_flight_);
}

}  // namespace whimbrel::sim
