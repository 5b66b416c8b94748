#include "sim/site_node.h"

#include <algorithm>

#include "sim/world.h"

namespace whimbrel::sim {

SiteNode::SiteNode(World& world, SiteNodeConfig config, std::uint64_t seed)
    : world_(world),
      config_(std::move(config)),
      random_(seed),
      authority_key_(SigningKey::generate(random_)),
      clock_error_(config_.clock_error) {
  config_.site.keys = generate_x25519(random_);
  random_.fill(site_master_.bytes);
  if (config_.site_master) site_master_ = *config_.site_master;
}

const IpAddress& SiteNode::address() const { return world_.simulation().address(id_); }

void SiteNode::attached(NodeId id) {
  id_ = id;
  start();
}

void SiteNode::start() {
  if (running()) return;
  ++life_;
  const Instant now = world_.simulation().local_now(id_);
  site_keys_ = std::make_unique<relay::SiteKeys>(site_master_);
  authority_ =
      std::make_unique<rendezvous::Authority>(config_.authority, authority_key_, registry_);
  site_ =
      std::make_unique<Site>(config_.site, authority_.get(), *site_keys_, random_, now, unix_now());
  world_.simulation().restarted(id_);
}

UnixMillis SiteNode::unix_now() const { return world_.simulation().unix_now() + clock_error_; }

void SiteNode::look_at_clock(Instant now) {
  if (clock_looks_.due(now)) site_->set_wall_clock(now, unix_now());
}

void SiteNode::kill() {
  site_.reset();
  authority_.reset();
  site_keys_.reset();
  forwards_.clear();
}

void SiteNode::drain(Duration time) {
  if (!running()) return;
  site_->drain(time, world_.simulation().local_now(id_));
  world_.simulation().touch(id_);
  world_.simulation().after(time, [this, life = life_] {
    if (life == life_) kill();
  });
}

// --- Node ----------------------------------------------------------------------------------------

void SiteNode::receive(const IpAddress& from, MutableBytes datagram, Instant now) {
  if (!running()) return;
  look_at_clock(now);
  const auto to = site_->receive(from, datagram, now);
  if (!to) return;
  ++forwarded_;
  forwards_.push_back({*to, {datagram.begin(), datagram.end()}});
  if (forwards_.size() <= kForwardsMax) return;
  forwards_.pop_front();
  world_.simulation().violation("a site forwards without end within one instant");
}

void SiteNode::advance(Instant now) {
  if (!running()) return;
  look_at_clock(now);
  site_->advance(now);
}

std::optional<Transmit> SiteNode::poll_transmit(MutableBytes buffer, Instant now) {
  if (!running()) return std::nullopt;
  if (forwards_.empty()) return site_->poll_transmit(buffer, now);
  const Forward forward = std::move(forwards_.front());
  forwards_.pop_front();
  std::copy(forward.datagram.begin(), forward.datagram.end(), buffer.begin());
  return Transmit{forward.to, forward.datagram.size(), forward.datagram.size()};
}

Instant SiteNode::next_deadline() const { return running() ? site_->next_deadline() : kNever; }

}  // namespace whimbrel::sim
