// A server in a simulation: a site, and what a disk keeps of it from one life of the process to the
// next. Made by World.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "sim/node.h"
#include "site/site.h"

namespace whimbrel::sim {

class World;

// The keys in `site` are made anew.
struct SiteNodeConfig {
  SiteConfig site;
  rendezvous::AuthorityConfig authority;
  // Of a site that shares another's tokens; nothing: it has its own.
  std::optional<Secret> site_master;
  UnixMillis clock_error = 0;  // of its machine at first: as SiteNode::set_clock_error()
};

class SiteNode final : public Node {
 public:
  // `seed` is for everything random in it, over all its lives.
  SiteNode(World& world, SiteNodeConfig config, std::uint64_t seed);

  NodeId id() const { return id_; }
  const IpAddress& address() const;
  // In force from the next life on.
  SiteNodeConfig& config() { return config_; }
  const Secret& site_master() const { return site_master_; }
  const PublicKey& key() const { return config_.site.keys.public_key; }
  VerifyKey authority_key() const { return authority_key_.verify_key(); }
  // Null while it is dead.
  const Site* site() const { return site_.get(); }
  bool running() const { return site_ != nullptr; }
  std::uint64_t forwarded() const { return forwarded_; }

  // As Host::set_clock_error().
  void set_clock_error(UnixMillis ahead) { clock_error_ = ahead; }
  // This key is not welcome any more.
  void revoke(const PublicKey& key) { registry_.revoke(key); }
  // As kill -9: nobody is told, and everything in memory is gone.
  void kill();
  // With the keys, names and numbers that its disk kept. Without effect while it runs.
  void start();
  // Says that it will be gone in `time`, and then is.
  void drain(Duration time);

  // --- Node --------------------------------------------------------------------------------------
  void receive(const IpAddress& from, MutableBytes datagram, Instant now) override;
  void advance(Instant now) override;
  std::optional<Transmit> poll_transmit(MutableBytes buffer, Instant now) override;
  Instant next_deadline() const override;

 private:
  friend class World;
  struct Forward {
    IpAddress to;
    std::vector<std::uint8_t> datagram;
  };
  // A simulation drains a node after each instant: more than this within one is a mistake.
  static constexpr std::size_t kForwardsMax = 65'536;

  void attached(NodeId id);
  UnixMillis unix_now() const;
  void look_at_clock(Instant now);

  World& world_;
  SiteNodeConfig config_;
  FastRandom random_;
  SigningKey authority_key_;
  Secret site_master_;
  rendezvous::MemoryRegistry registry_;
  NodeId id_ = kNobody;
  std::uint32_t life_ = 0;
  UnixMillis clock_error_;
  ClockLooks clock_looks_{Instant()};
  std::unique_ptr<relay::SiteKeys> site_keys_;
  std::unique_ptr<rendezvous::Authority> authority_;
  std::unique_ptr<Site> site_;
  std::deque<Forward> forwards_;
  std::uint64_t forwarded_ = 0;
};

}  // namespace whimbrel::sim
