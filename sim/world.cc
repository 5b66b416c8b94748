#include "sim/world.h"

namespace whimbrel::sim {

World::World(std::uint64_t seed)
    : simulation_(seed), ledger_(simulation_), nonces_(simulation_), amplification_(simulation_) {
  simulation_.observe(nonces_);
  simulation_.observe(amplification_);
}

Identity World::ip_identity(const IpAddress& address) {
  return Identity::ip_address(address.bytes, address.port);
}

IpAddress World::fresh_address() {
  const std::uint32_t n = ++addresses_given_;
  return IpAddress::v4(10, 0, static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n),
                       4000);
}

Host& World::add(std::string_view name, HostConfig config, Nat* nat) {
  if (!name.empty()) {
    const auto identity = Identity::parse(name);
    ASSERT(identity);
    config.identity = *identity;
  }
  FastRandom keys(simulation_.random().u64());
  if (config.keys.public_key == PublicKey{}) config.keys = generate_x25519(keys);
  hosts_.push_back(std::make_unique<Host>(*this, std::move(config), simulation_.random().u64()));
  Host& added = *hosts_.back();
  IpAddress address = fresh_address();
  if (nat != nullptr) address = IpAddress::v4(192, 168, address.bytes[15], 2, 4000);
  owners_[ip_identity(address)] = &added;
  added.attached(simulation_.attach(added, address, nat));
  return added;
}

SiteNode& World::add_site(SiteNodeConfig config) {
  sites_.push_back(
      std::make_unique<SiteNode>(*this, std::move(config), simulation_.random().u64()));
  SiteNode& added = *sites_.back();
  const auto number = static_cast<std::uint8_t>(sites_.size());
  added.attached(simulation_.attach(added, IpAddress::v4(203, 0, 113, number, 4040)));
  return added;
}

Host& World::add_online(std::string_view name, const SiteNode& site, HostConfig config, Nat* nat) {
  config.server = NetworkConfig{{site.address()}, std::nullopt, "", true};
  return add(name, std::move(config), nat);
}

void World::introduce(Host& a, Host& b, bool with_keys) {
  a.knows(b, with_keys);
  b.knows(a, with_keys);
}

Host* World::find(const Identity& identity) {
  for (const auto& candidate : hosts_) {
    if (candidate->config_.identity.valid() && candidate->config_.identity == identity) {
      return candidate.get();
    }
  }
  const auto owner = owners_.find(identity);
  return owner == owners_.end() ? nullptr : owner->second;
}

bool World::run_until_complete(Duration time_max) {
  return run_until([this] { return complete(); }, time_max);
}

void World::set_lines(const LinkConfig& config) {
  for (const auto& each : hosts_) simulation_.set_line(each->id(), config);
}

std::string World::finish() {
  for (const auto& each : hosts_) {
    for (const auto& other : hosts_) {
      if (each->state(*other) == ConnectionState::kClosedByPeer) {
        ledger_.on_break(each->life(), other->id());
      }
    }
    each->receive_all();
  }
  ledger_.demand_complete();
  return violations();
}

std::string World::violations() const {
  std::string text;
  for (const std::string& violation : simulation_.violations()) text += violation + "\n";
  return text;
}

}  // namespace whimbrel::sim
