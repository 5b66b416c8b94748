// Two sessions over one to four relays: paths are born and die, packets are lost and overtake each
// other, keys change. Whatever happens, each message arrives once and in order, and no nonce is
// used twice.
#include <gtest/gtest.h>
#include <whimbrel/send_flags.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "session/session.h"

namespace whimbrel {
namespace {

constexpr std::size_t kSitesMax = 4;
constexpr Duration kTold = milliseconds(60);  // what one side knows of the other's slots is so old

Secret secret(std::uint8_t fill) {
  std::array<std::uint8_t, 32> bytes;
  bytes.fill(fill);
  return Secret(bytes);
}

// One end: a session, its legs, and what it has sent and received.
struct Side {
  std::unique_ptr<Session> session;
  FastRandom random{1};
  Counters counters;
  SlabAllocator slabs;
  std::uint32_t next_index = 100;
  struct Leg {
    bool works = true;
    bool there = false;  // the site is one of ours
    std::uint32_t slot = 1;
    Instant changed{};
  };
  std::array<Leg, kSitesMax> legs;
  std::uint32_t sent = 0;
  std::vector<std::uint32_t> got;
  std::vector<ReceivedMessage> received;
  // Of the packets that left: the key's number, the path and the number.
  std::set<std::tuple<unsigned, std::uint32_t, std::uint64_t>> nonces;
  std::map<std::uint32_t, std::uint64_t> next_number;  // by path
  bool phase = false;
  unsigned generation = 0;
};

class Pair {
 public:
  explicit Pair(std::uint64_t seed) : random_(seed), sites_(1 + random_.below(kSitesMax)) {
    loss_ = random_.below(3) == 0 ? 0.1 : random_.below(2) == 0 ? 0.01 : 0;
    for (std::size_t i = 0; i < 2; ++i) begin(i);
    for (std::size_t site = 0; site < sites_; ++site) {
      latency_[site] = milliseconds(2 + static_cast<int>(random_.below(60)));
      const bool later = site > 0 && random_.below(2) == 0;
      for (Side& side : sides_) side.legs[site].there = !later;
    }
    tell_all();
  }

  void run() {
    for (const Instant end = now_ + seconds(20); now_ < end;) {
      happen();
      for (Side& side : sides_) say(side);
      step(milliseconds(1 + static_cast<int>(random_.below(20))));
    }
    // In the end all works again, and what was taken arrives.
    loss_ = 0;
    for (Side& side : sides_) {
      for (Side::Leg& leg : side.legs) {
        leg.there = true;
        restore(leg);
      }
    }
    tell_all();
    for (const Instant end = now_ + seconds(20); now_ < end && !settled();) step(milliseconds(20));
  }

  // Where the paths of both ends stand, for whoever looks at a seed that failed.
  std::string describe() const {
    std::string text;
    for (std::size_t i = 0; i < 2; ++i) {
      text += "side " + std::to_string(i) + ": sent " + std::to_string(sides_[i].sent) + ", got " +
              std::to_string(sides_[i].got.size()) + "\n";
      sides_[i].session->paths().for_each([&](const PathEntry& entry) {
        const RelayRemote* relay = entry.remote.relay();
        text +=
            "  path " + std::to_string(value(entry.id())) + ": state " +
            std::to_string(entry.state.index()) + ", carrier " +
            std::to_string(static_cast<int>(entry.carrier)) + ", site " +
            (relay == nullptr ? "none"
                              : std::to_string(relay->site) + "/" + std::to_string(relay->slot)) +
            ", indices " + std::to_string(entry.local_index) + " " +
            std::to_string(entry.remote_index) + ", in flight " +
            std::to_string(entry.path.bytes_in_flight()) + ", peer_standby " +
            std::to_string(entry.peer_standby) + ", mtu " +
            std::to_string(entry.path.datagram_size()) + "\n";
      });
    }
    return text;
  }
  void check() {
    for (std::size_t i = 0; i < 2; ++i) {
      const Side& from = sides_[1 - i];
      const Side& to = sides_[i];
      ASSERT_FALSE(to.session->end()) << "side " << i << ": " << to.session->end()->text;
      ASSERT_EQ(to.got.size(), from.sent) << "side " << i;
      for (std::uint32_t n = 0; n < from.sent; ++n) ASSERT_EQ(to.got[n], n) << "side " << i;
    }
    ASSERT_FALSE(nonce_twice_);
  }
  unsigned key_updates() const { return sides_[0].generation + sides_[1].generation; }
  std::size_t paths_opened() const { return paths_seen_.size(); }

 private:
  struct Packet {
    Side* to;
    Remote from;
    std::vector<std::uint8_t> bytes;
  };

  void begin(std::size_t i) {
    Establishment with;
    const Secret keys[] = {secret(1), secret(2)};
    PacketKeyLimits limits = packet_key_limits(AeadSuite::kAesGcm);
    limits.seals = 1500;
    with.keys = PacketKeys(AeadSuite::kAesGcm, keys[i], keys[1 - i], limits);
    with.local_index = static_cast<ReceiverIndex>(1 + i);
    with.remote_index = static_cast<ReceiverIndex>(2 - i);
    with.remote = SignalRemote{1};
    with.peer = {{1 << 20, 1000, 1 << 20, 1000}, milliseconds(25), 1472};
    with.address_proof = AddressProof::kGiven;
    with.leads = i == 0;
    with.answering = i == 1;
    SessionOptions options;
    options.timeout_connected = seconds(60);
    Side& side = sides_[i];
    side.random = FastRandom(random_.u64());
    side.next_index += static_cast<std::uint32_t>(1000 * i);
    side.session = std::make_unique<Session>(options, std::move(with), side.random, side.counters,
                                             side.slabs, now_);
  }
  Side& other(const Side& side) { return &side == &sides_[0] ? sides_[1] : sides_[0]; }

  // --- what the relays' legs tell ---
  CarrierState state_of(const Side::Leg& leg) const {
    if (leg.works) return CarrierState::kUp;
    const Duration down = now_ - leg.changed;
    return down < milliseconds(150)   ? CarrierState::kUp
           : down < milliseconds(400) ? CarrierState::kDoubted
                                      : CarrierState::kDown;
  }
  void tell(Side& side) {
    std::vector<RelayCarrier> carriers;
    for (std::uint32_t site = 0; site < sites_; ++site) {
      const Side::Leg& own = side.legs[site];
      const Side::Leg& theirs = other(side).legs[site];
      if (!own.there || !theirs.there) continue;
      carriers.push_back({{site, theirs.slot}, state_of(own), 2 * latency_[site]});
    }
    side.session->set_carriers(carriers, now_);
  }
  void tell_all() {
    for (Side& side : sides_) tell(side);
  }
  void restore(Side::Leg& leg) {
    if (!leg.works && now_ - leg.changed > milliseconds(400)) ++leg.slot;
    leg.works = true;
    leg.changed = now_;
  }

  void happen() {
    if (random_.below(40) != 0) return;
    Side& side = sides_[random_.below(2)];
    Side::Leg& leg = side.legs[random_.below(sites_)];
    switch (random_.below(4)) {
      case 0:
        leg.works = false;
        leg.changed = now_;
        break;
      case 1:
      case 2:
        leg.there = true;
        restore(leg);
        break;
      default:
        leg.there = random_.below(2) == 0;
    }
    tell_due_ = now_ + kTold;
  }

  // --- messages and packets ---
  void say(Side& side) {
    if (random_.below(4) != 0) return;
    for (std::size_t n = 1 + random_.below(4); n > 0 && side.session->can_send(0); --n) {
      std::vector<std::uint8_t> payload(4 + random_.below(2000));
      for (int i = 0; i < 4; ++i)
        payload[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(side.sent >> (8 * i));
      side.session->send(0, SharedBytes::copy(payload), kSendReliable, now_);
      ++side.sent;
    }
  }
  void give_indices(Side& side) {
    Session& session = *side.session;
    while (session.wants_index()) session.give_index(side.next_index++);
    while (session.take_retired_index()) {
    }
  }
  void note_nonce(Side& side, Bytes datagram) {
    const auto header = read_data_header(datagram);
    ASSERT_TRUE(header);
    std::optional<std::uint32_t> path;
    side.session->paths().for_each([&](const PathEntry& entry) {
      if (entry.remote_index == header->receiver_index) path = value(entry.id());
    });
    ASSERT_TRUE(path) << "an index that the peer has not given";
    paths_seen_.insert(*path);
    std::uint64_t& next = side.next_number[*path];
    const std::uint64_t number =
        value(recover_packet_number(next, header->truncated_number, header->number_size));
    next = std::max(next, number + 1);
    if (header->key_phase != side.phase) ++side.generation;
    side.phase = header->key_phase;
    nonce_twice_ = nonce_twice_ || !side.nonces.insert({side.generation, *path, number}).second;
  }
  void drain(Side& side) {
    give_indices(side);
    while (const auto out = side.session->poll_transmit(buffer_, now_)) {
      for (std::size_t at = 0; at < out->size; at += out->segment_size) {
        const Bytes datagram =
            Bytes(buffer_).subspan(at, std::min(out->segment_size, out->size - at));
        note_nonce(side, datagram);
        carry(side, out->to, datagram);
      }
      give_indices(side);
    }
  }
  void carry(Side& from, const Remote& to, Bytes datagram) {
    const RelayRemote* relay = to.relay();
    ASSERT_NE(relay, nullptr) << to.text();
    Side& peer = other(from);
    const Side::Leg& own = from.legs[relay->site];
    const Side::Leg& theirs = peer.legs[relay->site];
    if (!own.works || !theirs.works || relay->slot != theirs.slot) return;
    if (random_.unit() < loss_) return;
    const Duration late = microseconds(static_cast<std::int64_t>(random_.below(4000)));
    line_.emplace(now_ + latency_[relay->site] + late,
                  Packet{&peer, RelayRemote{relay->site, own.slot},
                         std::vector(datagram.begin(), datagram.end())});
  }
  void step(Duration time) {
    const Instant end = now_ + time;
    for (;;) {
      for (Side& side : sides_) drain(side);
      Instant next = std::min(end, tell_due_);
      if (!line_.empty()) next = std::min(next, line_.begin()->first);
      for (Side& side : sides_) next = std::min(next, side.session->next_deadline());
      // As a driver does it: never twice at the same moment without effect.
      now_ = std::max(next, now_ + microseconds(1));
      if (now_ >= end) break;
      while (!line_.empty() && line_.begin()->first <= now_) {
        Packet packet = std::move(line_.begin()->second);
        line_.erase(line_.begin());
        arrive(packet);
      }
      if (now_ >= tell_due_) {
        tell_all();
        // The states of legs that are silent change with time.
        tell_due_ = now_ + milliseconds(100);
      }
      for (Side& side : sides_) side.session->advance(now_);
    }
    now_ = end;
  }
  void arrive(Packet& packet) {
    Side& side = *packet.to;
    const auto header = read_data_header(packet.bytes);
    if (!side.session->receives_at(header->receiver_index)) return;
    side.session->receive(packet.from, *header, packet.bytes, now_, side.received);
    for (const ReceivedMessage& message : side.received) {
      const Bytes bytes = message.payload;
      side.got.push_back(
          static_cast<std::uint32_t>(bytes[0] | bytes[1] << 8 | bytes[2] << 16 | bytes[3] << 24));
      side.session->consumed(message.place, message.reliable, bytes.size(), 1, now_);
    }
    side.received.clear();
  }
  bool settled() const {
    return sides_[0].got.size() == sides_[1].sent && sides_[1].got.size() == sides_[0].sent;
  }

  FastRandom random_;
  std::size_t sites_;
  double loss_ = 0;
  Instant now_ = Instant() + seconds(1);
  Instant tell_due_ = kNever;
  std::array<Duration, kSitesMax> latency_{};
  std::array<Side, 2> sides_;
  std::multimap<Instant, Packet> line_;
  std::vector<std::uint8_t> buffer_ = std::vector<std::uint8_t>(65536);
  std::set<std::uint32_t> paths_seen_;
  bool nonce_twice_ = false;
};

TEST(PathsProperty, EverythingArrivesOnceInOrderAndNoNonceComesTwice) {
  const char* one = std::getenv("WHIMBREL_SEED");
  const std::uint64_t first = one == nullptr ? 1 : std::strtoull(one, nullptr, 10);
  const std::uint64_t count = one == nullptr ? 40 : 1;
  unsigned updates = 0;
  std::size_t paths = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed) + "; WHIMBREL_SEED runs it alone");
    Pair pair(seed);
    pair.run();
    pair.check();
    if (testing::Test::HasFatalFailure()) ADD_FAILURE() << pair.describe();
    if (testing::Test::HasFatalFailure()) return;
    updates += pair.key_updates();
    paths += pair.paths_opened();
  }
  if (one != nullptr) return;
  EXPECT_GT(updates, count) << "keys have changed";
  EXPECT_GT(paths, count * 2) << "paths were born";
}

}  // namespace
}  // namespace whimbrel
