#include "relay/leg_keys.h"

#include <algorithm>

#include "crypto/hash.h"

namespace whimbrel::relay {

namespace {

constexpr std::size_t kTaggedPayloadMax = 16;
std::string_view label_of(Kind kind) {
  switch (kind) {
    case Kind::kOpen:
      return "whimbrel relay open";
    case Kind::kOpened:
      return "whimbrel relay opened";
    default:
      return "whimbrel relay refused";
  }
}

}  // namespace

LegKeys leg_keys(const Secret& secret, const Nonce& client, const Nonce& relay) {
  std::array<std::uint8_t, 2 * kNonceSize> salt;
  std::copy(client.begin(), client.end(), salt.begin());
  std::copy(relay.begin(), relay.end(), salt.begin() + kNonceSize);
  const Secret leg = hkdf_extract(salt, secret.view());
  LegKeys keys;
  hkdf_expand(leg.view(), as_bytes("whimbrel relay up"), keys.up);
  hkdf_expand(leg.view(), as_bytes("whimbrel relay down"), keys.down);
  hkdf_expand(leg.view(), as_bytes("whimbrel relay grant"), keys.grant.bytes);
  return keys;
}

Mac open_mac(const Secret& secret, Kind kind, Bytes signed_part) {
  const Digest digest = hmac_sha256(secret.view(), {as_bytes(label_of(kind)), signed_part});
  Mac mac;
  std::copy_n(digest.begin(), mac.size(), mac.begin());
  return mac;
}

bool check_mac(const Secret& secret, Kind kind, Bytes datagram) {
  const std::size_t size = datagram.size() - kMacSize;
  const Mac mac = open_mac(secret, kind, datagram.first(size));
  return constant_time_equal(mac, datagram.subspan(size));
}

void write_mac(const Secret& secret, Kind kind, MutableBytes datagram) {
  const std::size_t size = datagram.size() - kMacSize;
  const Mac mac = open_mac(secret, kind, datagram.first(size));
  std::copy(mac.begin(), mac.end(), datagram.begin() + static_cast<std::ptrdiff_t>(size));
}

SipTag leg_tag(const SipKey& key, Bytes datagram) {
  const Bytes payload = datagram.subspan(kHeaderSize);
  const auto kind = static_cast<Kind>(datagram[0]);
  const bool forwarded = kind == Kind::kSend || kind == Kind::kDeliver;
  const std::size_t covered =
      std::min(payload.size(), forwarded ? kTaggedPayloadMax : kBodySizeMax);
  std::array<std::uint8_t, kTagOffset + 2 + kBodySizeMax> input;
  std::memcpy(input.data(), datagram.data(), kTagOffset);
  input[kTagOffset] = static_cast<std::uint8_t>(payload.size() >> 8);
  input[kTagOffset + 1] = static_cast<std::uint8_t>(payload.size());
  if (covered > 0) std::memcpy(input.data() + kTagOffset + 2, payload.data(), covered);
  return siphash24(key, Bytes(input).first(kTagOffset + 2 + covered));
}

bool check_leg_tag(const SipKey& key, Bytes datagram) {
  return constant_time_equal(datagram.subspan(kTagOffset, kSipTagSize), leg_tag(key, datagram));
}

void write_leg_tag(const SipKey& key, MutableBytes datagram) {
  const SipTag tag = leg_tag(key, datagram);
  std::memcpy(datagram.data() + kTagOffset, tag.data(), tag.size());
}

}  // namespace whimbrel::relay
