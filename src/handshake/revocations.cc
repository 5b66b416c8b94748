#include "handshake/revocations.h"

#include <algorithm>
#include <string_view>

namespace whimbrel {

namespace {

constexpr std::uint8_t kListVersion = 1;
constexpr std::string_view kListContext = "whimbrel revocations 1";

std::vector<std::uint8_t> signed_bytes(Bytes body) {
  std::vector<std::uint8_t> bytes(kListContext.size() + body.size());
  ByteWriter writer(bytes);
  writer.bytes(as_bytes(kListContext));
  writer.bytes(body);
  return bytes;
}

}  // namespace

std::vector<std::uint8_t> sign_revocations(RevocationList list, const SigningKey& authority) {
  ASSERT(list.keys.size() <= kRevokedKeysMax);
  std::sort(list.keys.begin(), list.keys.end());
  list.keys.erase(std::unique(list.keys.begin(), list.keys.end()), list.keys.end());
  std::vector<std::uint8_t> bytes(kRevocationsFixedSize + list.keys.size() * kKeySize);
  ByteWriter out(bytes);
  out.u8(kListVersion);
  out.u64(static_cast<std::uint64_t>(list.issued));
  out.bytes(authority_key_id(authority.verify_key()));
  out.u16(static_cast<std::uint16_t>(list.keys.size()));
  for (const PublicKey& key : list.keys) out.bytes(key.view());
  out.bytes(authority.sign(signed_bytes(out.written())));
  return bytes;
}

std::optional<RevocationList> decode_revocations(Bytes bytes) {
  ByteReader in(bytes);
  RevocationList list;
  const std::uint8_t version = in.u8();
  list.issued = static_cast<std::int64_t>(in.u64());
  const Bytes id = in.bytes(list.authority.size());
  const std::size_t count = in.u16();
  if (!in.ok() || version != kListVersion || count > kRevokedKeysMax ||
      bytes.size() != kRevocationsFixedSize + count * kKeySize)
    return std::nullopt;
  std::copy(id.begin(), id.end(), list.authority.begin());
  list.keys.resize(count);
  for (PublicKey& key : list.keys) {
    const Bytes key_bytes = in.bytes(kKeySize);
    std::copy(key_bytes.begin(), key_bytes.end(), key.bytes.begin());
  }
  // Each list has exactly one encoding.
  const bool ascending =
      std::adjacent_find(list.keys.begin(), list.keys.end(),
                         [](const auto& a, const auto& b) { return !(a < b); }) == list.keys.end();
  if (!ascending) return std::nullopt;
  return list;
}

bool check_revocations(Bytes bytes, const VerifyKey& authority) {
  if (bytes.size() < kRevocationsFixedSize) return false;
  const std::size_t body = bytes.size() - kSignatureSize;
  Signature signature;
  std::copy(bytes.begin() + static_cast<long>(body), bytes.end(), signature.begin());
  return verify_signature(authority, signed_bytes(bytes.first(body)), signature);
}

}  // namespace whimbrel
