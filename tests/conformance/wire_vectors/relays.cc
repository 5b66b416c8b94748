#include "tests/conformance/wire_vectors/relays.h"

#include "base/assert.h"
#include "tests/conformance/wire_vectors/scene.h"

namespace whimbrel::vectors {

namespace {

constexpr std::uint16_t kPort = 4000;
constexpr std::uint8_t kNet = 10, kSlots = 1, kSignals = 2;  // the ends themselves are at 10.0
constexpr std::size_t kV4 = 12;                              // where an IPv4 address begins

std::uint8_t octet(std::size_t value) {
  ASSERT(value < 256);
  return static_cast<std::uint8_t>(value);
}

}  // namespace

RelayRemote slot_of(std::uint32_t site, std::size_t end) {
  return {site, site * 10 + static_cast<std::uint32_t>(end) + 1};
}

IpAddress stand_in_for(const Remote& remote) {
  if (const RelayRemote* relay = remote.relay())
    return IpAddress::v4(kNet, kSlots, octet(relay->site), octet(relay->slot), kPort);
  if (const SignalRemote* signal = remote.signal())
    return IpAddress::v4(kNet, kSignals, 0, octet(signal->user), kPort);
  return *remote.udp();
}

Remote remote_behind(const IpAddress& address) {
  const std::uint8_t* octets = address.bytes.data() + kV4;
  const bool ours = address.is_v4() && octets[0] == kNet;
  if (ours && octets[1] == kSlots) return RelayRemote{octets[2], octets[3]};
  if (ours && octets[1] == kSignals) return SignalRemote{octets[3]};
  return address;
}

Remote source_of(const Remote& target, std::size_t end, const IpAddress& address) {
  if (const RelayRemote* relay = target.relay()) return slot_of(relay->site, end);
  if (target.signal() != nullptr) return SignalRemote{static_cast<std::uint32_t>(end)};
  return address;
}

std::string place_text(const Remote& remote) {
  if (const RelayRemote* relay = remote.relay())
    return "site " + std::to_string(relay->site) + " slot " + std::to_string(relay->slot);
  if (const SignalRemote* signal = remote.signal()) return "user " + std::to_string(signal->user);
  return remote.udp()->text();
}

class Relays::Place final : public sim::Node {
 public:
  Place(Scene& scene, std::uint32_t site, std::size_t end, const Remote& there, Duration one_way)
      : scene_(scene), site_(site), end_(end), there_(there), one_way_(one_way) {}

  std::uint32_t site() const { return site_; }
  std::size_t end() const { return end_; }
  Duration one_way() const { return one_way_; }

  void receive(const IpAddress&, MutableBytes datagram, Instant now) override {
    scene_.peer<EndpointPeer>(end_).endpoint().receive(there_, datagram, now);
    scene_.simulation().touch(static_cast<sim::NodeId>(end_));
  }
  void advance(Instant) override {}
  // What an end sends leaves from the end itself, so that it is recorded in the order of sending.
  std::optional<Transmit> poll_transmit(MutableBytes, Instant) override { return std::nullopt; }
  Instant next_deadline() const override { return kNever; }

  sim::NodeId id = sim::kNobody;

 private:
  Scene& scene_;
  std::uint32_t site_;
  std::size_t end_;
  Remote there_;  // where what comes here is from
  Duration one_way_;
};

Relays::Relays(Scene& scene, std::initializer_list<Site> sites) : scene_(scene) {
  for (std::size_t end = 0; end < 2; ++end) {
    const SignalRemote user{static_cast<std::uint32_t>(end)};
    const SignalRemote other{static_cast<std::uint32_t>(1 - end)};
    add(0, end, user, other, Duration::zero());
    scene.peer<EndpointPeer>(end).set_contact(other, scene.peer<Peer>(1 - end).keys().public_key);
    for (const Site& site : sites) {
      add(site.site, end, slot_of(site.site, end), slot_of(site.site, 1 - end), site.one_way);
    }
  }
}
Relays::~Relays() = default;

void Relays::add(std::uint32_t site, std::size_t end, const Remote& here, const Remote& there,
                 Duration one_way) {
  auto place = std::make_unique<Place>(scene_, site, end, there, one_way);
  place->id = scene_.simulation().attach(*place, stand_in_for(here));
  scene_.simulation().set_line(place->id, {.delay = one_way});
  places_.push_back(std::move(place));
}

void Relays::tell(std::size_t end, std::initializer_list<State> states) {
  std::vector<RelayCarrier> carriers;
  for (const State& state : states) {
    for (const auto& place : places_) {
      if (place->site() != state.site || place->end() != end) continue;
      const Duration rtt = 2 * (Scene::kOneWay + place->one_way());
      carriers.push_back({slot_of(state.site, 1 - end), state.state, rtt});
    }
  }
  ASSERT(carriers.size() == states.size());
  const SignalRemote other{static_cast<std::uint32_t>(1 - end)};
  scene_.peer<EndpointPeer>(end).endpoint().set_carriers(other, carriers, scene_.now());
  scene_.simulation().touch(static_cast<sim::NodeId>(end));
}

void Relays::tell_both(std::initializer_list<State> states) {
  for (std::size_t end = 0; end < 2; ++end) tell(end, states);
}

void Relays::set_dead(std::uint32_t site, bool dead) {
  for (const auto& place : places_) {
    if (place->site() != site) continue;
    scene_.simulation().set_blocked(static_cast<sim::NodeId>(1 - place->end()), place->id, dead);
  }
}

}  // namespace whimbrel::vectors
