// A hash over every packet that was sent and delivered, with its time and addresses: two runs are
// the same exactly when it is the same.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"
#include "sim/packet_observer.h"

namespace whimbrel::sim {

class PacketTrace final : public PacketObserver {
 public:
  void on_sent(const PacketView& packet) override {
    ++sent_;
    bytes_sent_ += packet.bytes.size();
    add_header(packet, 1);
    mix(packet.bytes);
  }
  void on_delivered(const PacketView& packet) override {
    ++delivered_;
    add_header(packet, 2);
    mix(packet.bytes.first(std::min<std::size_t>(packet.bytes.size(), 32)));
  }

  std::uint64_t hash() const { return hash_; }
  std::uint64_t packets_sent() const { return sent_; }
  std::uint64_t packets_delivered() const { return delivered_; }
  std::uint64_t bytes_sent() const { return bytes_sent_; }

 private:
  void mix(std::uint64_t word) {
    hash_ = (hash_ ^ word) * 0x9e3779b97f4a7c15;
    hash_ ^= hash_ >> 29;
  }
  void mix(Bytes bytes) {
    std::size_t at = 0;
    for (; at + 8 <= bytes.size(); at += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at, 8);
      mix(word);
    }
    std::uint64_t tail = bytes.size();
    if (at < bytes.size()) std::memcpy(&tail, bytes.data() + at, bytes.size() - at);
    mix(tail ^ bytes.size());
  }
  void add_header(const PacketView& packet, std::uint64_t what) {
    mix(what);
    mix(static_cast<std::uint64_t>(packet.now.time_since_epoch().count()));
    mix(packet.from.bytes);
    mix(packet.to.bytes);
    mix(std::uint64_t{packet.from.port} << 32 | packet.to.port);
    mix(packet.number);
  }

  std::uint64_t hash_ = 0x243f6a8885a308d3;
  std::uint64_t sent_ = 0, delivered_ = 0, bytes_sent_ = 0;
};

}  // namespace whimbrel::sim
