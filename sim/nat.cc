#include "sim/nat.h"

namespace whimbrel::sim {

IpAddress Nat::reduce(const IpAddress& remote, NatKind kind) {
  IpAddress reduced = remote;
  if (kind != NatKind::kAddressAndPortDependent) reduced.port = 0;
  if (kind == NatKind::kEndpointIndependent) reduced.bytes = {};
  return reduced;
}

std::uint16_t Nat::choose_port(std::uint16_t wanted, Random& random) const {
  if (config_.preserve_port && !mappings_.contains(wanted)) return wanted;
  for (;;) {
    // RFC 4787 REQ-3: not a well-known port.
    const auto port = static_cast<std::uint16_t>(1024 + random.below(65536 - 1024));
    if (!mappings_.contains(port)) return port;
  }
}

void Nat::expire(Instant now) {
  for (auto it = mappings_.begin(); it != mappings_.end();) {
    if (it->second.expires > now) {
      ++it;
      continue;
    }
    ports_.erase(it->second.key);
    it = mappings_.erase(it);
  }
}

std::optional<IpAddress> Nat::outbound(const IpAddress& inside, const IpAddress& remote,
                                       Random& random, Instant now) {
  const Key key{inside, reduce(remote, config_.mapping)};
  auto found = ports_.find(key);
  if (found != ports_.end() && mappings_.at(found->second).expires <= now) {
    expire(now);
    found = ports_.end();
  }
  if (found == ports_.end()) {
    if (mappings_.size() >= config_.mappings_max) expire(now);
    if (mappings_.size() >= config_.mappings_max) return std::nullopt;
    const std::uint16_t port = choose_port(inside.port, random);
    mappings_[port] = Mapping{inside, key, now, {}};
    found = ports_.emplace(key, port).first;
  }
  Mapping& mapping = mappings_.at(found->second);
  // RFC 4787 REQ-6: outbound traffic renews a mapping.
  mapping.expires = now + config_.mapping_timeout;
  mapping.permitted[reduce(remote, config_.filtering)] = mapping.expires;
  IpAddress outside = config_.outside;
  outside.port = found->second;
  return outside;
}

std::optional<IpAddress> Nat::inbound(std::uint16_t port, const IpAddress& remote, Instant now) {
  const auto found = mappings_.find(port);
  if (found == mappings_.end() || found->second.expires <= now) return std::nullopt;
  const auto permit = found->second.permitted.find(reduce(remote, config_.filtering));
  if (permit == found->second.permitted.end() || permit->second <= now) return std::nullopt;
  return found->second.inside;
}

void Nat::forget() {
  mappings_.clear();
  ports_.clear();
}

}  // namespace whimbrel::sim
