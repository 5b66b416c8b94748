// A network address translator by the kinds of RFC 4787: how it maps, and whom it lets in.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>

#include "base/ip_address.h"
#include "base/random.h"
#include "base/time.h"

namespace whimbrel::sim {

// RFC 4787 4.1 (mapping) and 5 (filtering).
enum class NatKind : std::uint8_t {
  kEndpointIndependent,
  kAddressDependent,
  kAddressAndPortDependent,
};

struct NatConfig {
  IpAddress outside{};  // the public address; its port is not used
  NatKind mapping = NatKind::kEndpointIndependent;
  NatKind filtering = NatKind::kAddressAndPortDependent;
  // RFC 4787 REQ-5: not less than two minutes; many are less. Renewed by what goes out (REQ-6).
  Duration mapping_timeout = seconds(120);
  bool preserve_port = false;
  bool hairpin = true;              // RFC 4787 6
  std::size_t mappings_max = 4096;  // over it nothing new gets out
};

class Nat {
 public:
  explicit Nat(const NatConfig& config) : config_(config) {}

  NatConfig& config() { return config_; }
  // The public source of a packet from `inside` to `remote`; nothing when the table is full.
  std::optional<IpAddress> outbound(const IpAddress& inside, const IpAddress& remote,
                                    Random& random, Instant now);
  // Who gets a packet that came from `remote` to our public `port`.
  std::optional<IpAddress> inbound(std::uint16_t port, const IpAddress& remote, Instant now);
  // A restart of the box: every mapping is forgotten, and later ones get other ports.
  void forget();
  std::size_t mapping_count() const { return mappings_.size(); }

 private:
  // Inside address, and what of the remote one the mapping depends on.
  using Key = std::pair<IpAddress, IpAddress>;
  struct Mapping {
    IpAddress inside;
    Key key;
    Instant expires;
    std::map<IpAddress, Instant> permitted;  // reduced as the filtering kind says
  };

  static IpAddress reduce(const IpAddress& remote, NatKind kind);
  std::uint16_t choose_port(std::uint16_t wanted, Random& random) const;
  void expire(Instant now);

  NatConfig config_;
  std::map<Key, std::uint16_t> ports_;
  std::map<std::uint16_t, Mapping> mappings_;
};

}  // namespace whimbrel::sim
