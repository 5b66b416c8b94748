#include "relay/token.h"

#include <algorithm>
#include <vector>

#include "crypto/hash.h"

namespace whimbrel::relay {

IdentityHash identity_hash(std::uint32_t app_id, std::string_view identity) {
  std::array<std::uint8_t, 4> app;
  ByteWriter(app).u32(app_id);
  const Digest digest = sha256({app, as_bytes(identity)});
  IdentityHash hash;
  std::copy_n(digest.begin(), hash.size(), hash.begin());
  return hash;
}

std::uint32_t site_id(std::string_view name) {
  const Digest digest = sha256({as_bytes(name)});
  return ByteReader(Bytes(digest)).u32();
}

namespace {

std::int64_t epoch_at(std::int64_t unix_seconds) {
  return unix_seconds / (SiteKeys::kLifetime / seconds(1));
}

}  // namespace

AeadKey& SiteKeys::key_of(std::int64_t number) {
  Epoch& epoch = epochs_[static_cast<std::size_t>(number) % epochs_.size()];
  if (epoch.number == number) return epoch.key;
  std::array<std::uint8_t, 32> info{};
  ByteWriter out(info);
  out.bytes(as_bytes("whimbrel site key"));
  out.u64(static_cast<std::uint64_t>(number));
  Secret key;
  hkdf_expand(master_.view(), out.written(), key.bytes);
  epoch.key = AeadKey(AeadSuite::kAesGcm, key);
  epoch.number = number;
  return epoch.key;
}

SealedToken SiteKeys::seal(const Token& token, Random& random, std::int64_t unix_seconds) {
  const std::int64_t number = epoch_at(unix_seconds);
  const std::uint32_t nonce_high = random.u32();
  const std::uint64_t nonce_low = random.u64();
  SealedToken sealed{};
  ByteWriter out(sealed);
  out.u8(static_cast<std::uint8_t>(number));
  out.u32(nonce_high);
  out.u64(nonce_low);
  std::uint8_t* plain = out.position();
  out.bytes(token.id);
  out.bytes(token.identity);
  out.u32(token.app_id);
  out.u64(static_cast<std::uint64_t>(token.not_after));
  out.u32(token.bytes_per_second);
  out.u32(token.packets_per_second);
  out.bytes(token.secret.view());
  key_of(number).seal(nonce_high, nonce_low, Bytes(sealed).first(1), plain, kTokenPlainSize);
  return sealed;
}

std::optional<Token> SiteKeys::open(Bytes sealed, std::int64_t unix_seconds) {
  if (sealed.size() != kTokenSize) return std::nullopt;
  // The newest, the one before it, and the next one of a clock that is ahead.
  const std::int64_t newest = epoch_at(unix_seconds) + 1;
  std::int64_t number = newest;
  while (number > newest - 3 && static_cast<std::uint8_t>(number) != sealed[0]) --number;
  if (number <= newest - 3) return std::nullopt;
  ByteReader head(sealed.subspan(1));
  const std::uint32_t nonce_high = head.u32();
  const std::uint64_t nonce_low = head.u64();
  std::array<std::uint8_t, kTokenPlainSize + kAeadTagSize> box;
  std::copy_n(head.rest().begin(), box.size(), box.begin());
  if (!key_of(number).open(nonce_high, nonce_low, sealed.first(1), box)) return std::nullopt;
  ByteReader in(Bytes(box).first(kTokenPlainSize));
  Token token;
  std::copy_n(in.bytes(token.id.size()).begin(), token.id.size(), token.id.begin());
  std::copy_n(in.bytes(token.identity.size()).begin(), token.identity.size(),
              token.identity.begin());
  token.app_id = in.u32();
  token.not_after = static_cast<std::int64_t>(in.u64());
  token.bytes_per_second = in.u32();
  token.packets_per_second = in.u32();
  std::copy_n(in.bytes(kKeySize).begin(), kKeySize, token.secret.bytes.begin());
  secure_wipe(box);
  return token;
}

}  // namespace whimbrel::relay
