#include "relay/leg_keys.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "crypto/hash.h"

namespace whimbrel::relay {

namespace {

constexpr std::size_t kTaggedPayloadMax = 16;

std::uint64_t load64(const std::uint8_t* from) {
  std::uint64_t value = 0;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// The input of a forwarded packet's tag, put together in registers: copying bytes one by one right
// before they are hashed as words would cost as much as the hash.
SipTag forwarded_tag(const SipKey& key, Bytes datagram) {
  const std::uint8_t* at = datagram.data();
  const std::uint64_t first = load64(at + kHeaderSize);
  const std::uint64_t second = load64(at + kHeaderSize + 8);
  std::uint32_t sequence = 0;
  std::memcpy(&sequence, at + 8, sizeof sequence);
  const std::size_t size = datagram.size() - kHeaderSize;
  const std::uint64_t size_big = (size & 0xff) << 8 | (size >> 8 & 0xff);
  const std::array<std::uint64_t, 4> words{load64(at), sequence | size_big << 32 | first << 48,
                                           first >> 16 | second << 48, second >> 16};
  constexpr std::size_t kSize = kTagOffset + 2 + kTaggedPayloadMax;
  return siphash24(key, {reinterpret_cast<const std::uint8_t*>(words.data()), kSize});
}

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
  if (std::endian::native == std::endian::little && forwarded && covered == kTaggedPayloadMax) {
    return forwarded_tag(key, datagram);
  }
  std::array<std::uint8_t, kTagOffset + 2 + kBodySizeMax> input;
  std::memcpy(input.data(), datagram.data(), kTagOffset);
  input[kTagOffset] = static_cast<std::uint8_t>(payload.size() >> 8);
  input[kTagOffset + 1] = static_cast<std::uint8_t>(payload.size());
  if (covered > 0) std::memcpy(input.data() + kTagOffset + 2, payload.data(), covered);
  return siphash24(key, Bytes(input).first(kTagOffset + 2 + covered));
}

bool check_leg_tag(const SipKey& key, Bytes datagram) {
  const SipTag tag = leg_tag(key, datagram);
  return load64(datagram.data() + kTagOffset) == load64(tag.data());  // compared as one word
}

void write_leg_tag(const SipKey& key, MutableBytes datagram) {
  const SipTag tag = leg_tag(key, datagram);
  std::memcpy(datagram.data() + kTagOffset, tag.data(), tag.size());
}

}  // namespace whimbrel::relay
