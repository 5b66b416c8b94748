#include "relay/grant.h"

#include <algorithm>

#include "crypto/hash.h"

namespace whimbrel::relay {

namespace {

std::array<std::uint8_t, 8> mac_of(const Grant& grant, const Secret& grant_key) {
  std::array<std::uint8_t, kGrantSize> bytes;
  ByteWriter out(bytes);
  write_grant(out, grant);
  const Digest digest =
      hmac_sha256(grant_key.view(), {Bytes(bytes).first(kGrantSize - grant.mac.size())});
  std::array<std::uint8_t, 8> mac;
  std::copy_n(digest.begin(), mac.size(), mac.begin());
  return mac;
}

}  // namespace

std::optional<Grant> read_grant(Bytes bytes) {
  if (bytes.size() != kGrantSize) return std::nullopt;
  ByteReader in(bytes);
  Grant grant;
  grant.relay_id = in.u32();
  grant.slot = SlotId{in.u32()};
  std::copy_n(in.bytes(grant.peer.size()).begin(), grant.peer.size(), grant.peer.begin());
  grant.not_after = in.u32();
  grant.epoch = in.u8();
  std::copy_n(in.bytes(grant.mac.size()).begin(), grant.mac.size(), grant.mac.begin());
  return grant;
}

void write_grant(ByteWriter& out, const Grant& grant) {
  out.u32(grant.relay_id);
  out.u32(grant.slot.value);
  out.bytes(grant.peer);
  out.u32(grant.not_after);
  out.u8(grant.epoch);
  out.bytes(grant.mac);
}

void sign_grant(Grant& grant, const Secret& grant_key) { grant.mac = mac_of(grant, grant_key); }

bool check_grant(const Grant& grant, const Secret& grant_key) {
  return constant_time_equal(grant.mac, mac_of(grant, grant_key));
}

}  // namespace whimbrel::relay
