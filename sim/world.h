// A simulation with hosts in it, and everything that watches over them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/checkers.h"
#include "sim/host.h"
#include "sim/ledger.h"
#include "sim/simulation.h"
#include "sim/site_node.h"

namespace whimbrel::sim {

class World {
 public:
  explicit World(std::uint64_t seed);

  // A host at 10.0.0.<n>:4000, n from 1. `name`: an identity's text form; empty: it has no name.
  // Behind `nat` it is at 192.168.<n>.2:4000.
  Host& add(std::string_view name, HostConfig config = {}, Nat* nat = nullptr);
  // A server at 203.0.113.<n>:4040, n from 1, which runs.
  SiteNode& add_site(SiteNodeConfig config = {});
  SiteNode& site(std::size_t index) { return *sites_[index]; }
  std::size_t site_count() const { return sites_.size(); }
  // A host that knows others by their names alone: `site` says where they are.
  Host& add_online(std::string_view name, const SiteNode& site, HostConfig config = {},
                   Nat* nat = nullptr);
  Host& host(std::size_t index) { return *hosts_[index]; }
  std::size_t host_count() const { return hosts_.size(); }
  // Both can find each other.
  void introduce(Host& a, Host& b, bool with_keys);
  // The host that an identity names, by name or by an address that it has or had; null if none.
  Host* find(const Identity& identity);
  static Identity ip_identity(const IpAddress& address);
  // An address that nobody has had yet.
  IpAddress fresh_address();

  Simulation& simulation() { return simulation_; }
  const Simulation& simulation() const { return simulation_; }
  Ledger& ledger() { return ledger_; }
  Instant now() const { return simulation_.now(); }
  void run_for(Duration time) { simulation_.run_for(time); }
  bool run_until(const std::function<bool()>& done, Duration time_max) {
    return simulation_.run_until(done, time_max);
  }
  // Every reliable message has come, or it is explained why not.
  bool complete() const { return ledger_.missing() == 0; }
  bool run_until_complete(Duration time_max);
  // All lines.
  void set_lines(const LinkConfig& config);
  // What is true at the end of every run; then all violations, one a line. Empty: all is well.
  std::string finish();
  // All violations so far.
  std::string violations() const;

 private:
  friend class Host;
  Simulation simulation_;
  Ledger ledger_;
  NonceChecker nonces_;
  AmplificationChecker amplification_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<std::unique_ptr<SiteNode>> sites_;
  std::map<Identity, Host*> owners_;  // of each address that was ever given, as an identity
  std::uint32_t addresses_given_ = 0;
};

}  // namespace whimbrel::sim
