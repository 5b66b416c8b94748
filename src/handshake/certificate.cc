#include "handshake/certificate.h"

#include <algorithm>

#include "base/assert.h"
#include "handshake/revocations.h"

namespace whimbrel {

namespace {

constexpr std::uint8_t kCertificateVersion = 1;
constexpr std::string_view kSignatureContext = "whimbrel certificate 1";

// What the signature is over: the context and then the certificate without its signature.
std::vector<std::uint8_t> signed_bytes(Bytes body) {
  std::vector<std::uint8_t> bytes(kSignatureContext.size() + body.size());
  ByteWriter writer(bytes);
  writer.bytes(as_bytes(kSignatureContext));
  writer.bytes(body);
  return bytes;
}

void write_body(ByteWriter& out, const Certificate& certificate) {
  out.u8(kCertificateVersion);
  out.u32(certificate.app_id);
  out.u64(certificate.serial);
  out.u64(static_cast<std::uint64_t>(certificate.not_before));
  out.u64(static_cast<std::uint64_t>(certificate.not_after));
  out.bytes(certificate.static_key.view());
  out.bytes(certificate.authority);
  out.u8(static_cast<std::uint8_t>(certificate.identity.size()));
  out.bytes(as_bytes(certificate.identity));
}

template <std::size_t kSize>
void copy_into(std::array<std::uint8_t, kSize>& out, Bytes bytes) {
  if (bytes.size() == kSize) std::copy(bytes.begin(), bytes.end(), out.begin());
}

}  // namespace

AuthorityKeyId authority_key_id(const VerifyKey& key) {
  const Digest digest = sha256({key.view()});
  AuthorityKeyId id;
  std::copy_n(digest.begin(), id.size(), id.begin());
  return id;
}

std::vector<std::uint8_t> sign_certificate(Certificate certificate, const SigningKey& authority) {
  ASSERT(!certificate.identity.empty() && certificate.identity.size() <= kIdentityTextSizeMax);
  certificate.authority = authority_key_id(authority.verify_key());
  std::vector<std::uint8_t> bytes(kCertificateFixedSize + certificate.identity.size());
  ByteWriter writer(bytes);
  write_body(writer, certificate);
  writer.bytes(authority.sign(signed_bytes(writer.written())));
  return bytes;
}

std::optional<Certificate> decode_certificate(Bytes bytes) {
  ByteReader reader(bytes);
  Certificate certificate;
  const std::uint8_t version = reader.u8();
  certificate.app_id = reader.u32();
  certificate.serial = reader.u64();
  certificate.not_before = static_cast<std::int64_t>(reader.u64());
  certificate.not_after = static_cast<std::int64_t>(reader.u64());
  copy_into(certificate.static_key.bytes, reader.bytes(kKeySize));
  copy_into(certificate.authority, reader.bytes(certificate.authority.size()));
  const std::size_t identity_size = reader.u8();
  certificate.identity = as_text(reader.bytes(identity_size));
  copy_into(certificate.signature, reader.bytes(kSignatureSize));
  if (!reader.ok() || !reader.empty() || version != kCertificateVersion || identity_size == 0 ||
      identity_size > kIdentityTextSizeMax)
    return std::nullopt;
  return certificate;
}

const char* to_string(CertificateStatus status) {
  switch (status) {
    case CertificateStatus::kAbsent:
      return "no certificate";
    case CertificateStatus::kValid:
      return "valid certificate";
    case CertificateStatus::kMalformed:
      return "malformed certificate";
    case CertificateStatus::kUnknownAuthority:
      return "certificate of an unknown authority";
    case CertificateStatus::kWrongSignature:
      return "certificate with a wrong signature";
    case CertificateStatus::kWrongApp:
      return "certificate for another app id";
    case CertificateStatus::kWrongIdentity:
      return "certificate for another identity";
    case CertificateStatus::kWrongKey:
      return "certificate for another key";
    case CertificateStatus::kNotYetValid:
      return "certificate not valid yet";
    case CertificateStatus::kExpired:
      return "expired certificate";
    case CertificateStatus::kRevoked:
      return "revoked certificate";
  }
  return "unknown certificate status";
}

bool TrustStore::add_authority(const VerifyKey& key) {
  const AuthorityKeyId id = authority_key_id(key);
  if (find(id) != nullptr) return true;
  if (authorities_.size() == kAuthoritiesMax) return false;
  authorities_.push_back({id, key, 0, {}});
  return true;
}

CertificateStatus TrustStore::verify(Bytes encoded, const CertificateClaim& claim, UnixMillis now) {
  if (encoded.empty()) return CertificateStatus::kAbsent;
  const auto certificate = decode_certificate(encoded);
  if (!certificate) return CertificateStatus::kMalformed;
  const Authority* authority = find(certificate->authority);
  if (authority == nullptr) return CertificateStatus::kUnknownAuthority;
  if (certificate->app_id != claim.app_id) return CertificateStatus::kWrongApp;
  if (certificate->identity != claim.identity) return CertificateStatus::kWrongIdentity;
  if (certificate->static_key != claim.static_key) return CertificateStatus::kWrongKey;
  // Compared without adding to a number that the certificate's maker chose: it might overflow.
  const std::int64_t now_seconds = now / 1000;
  if (certificate->not_before > now_seconds + kNotBeforeLeewaySeconds)
    return CertificateStatus::kNotYetValid;
  if (certificate->not_after < now_seconds) return CertificateStatus::kExpired;
  if (!signature_valid(encoded, *authority, certificate->signature))
    return CertificateStatus::kWrongSignature;
  if (revoked(claim.static_key)) return CertificateStatus::kRevoked;
  return CertificateStatus::kValid;
}

void TrustStore::remove_authority(const VerifyKey& key) {
  std::erase_if(authorities_, [&](const Authority& authority) { return authority.key == key; });
}

bool TrustStore::set_revocations(Bytes encoded, UnixMillis now) {
  auto list = decode_revocations(encoded);
  if (!list) return false;
  const auto authority =
      std::find_if(authorities_.begin(), authorities_.end(),
                   [&](const Authority& one) { return one.id == list->authority; });
  const std::int64_t latest = now / 1000 + kNotBeforeLeewaySeconds;
  // A list that came while our clock was ahead now has a date in the future; it must not keep out
  // the right one. Nor must a list that is a little newer, for the authority's clock may have been
  // corrected since.
  const auto is_older = [&](const Authority& held) {
    const auto age = static_cast<std::uint64_t>(held.revocations_issued) -
                     static_cast<std::uint64_t>(list->issued);
    return list->issued < held.revocations_issued &&
           age > static_cast<std::uint64_t>(kNotBeforeLeewaySeconds) &&
           held.revocations_issued <= latest;
  };
  if (authority == authorities_.end() || is_older(*authority) || list->issued > latest ||
      !check_revocations(encoded, authority->key))
    return false;
  authority->revocations_issued = list->issued;
  authority->revoked = std::move(list->keys);
  return true;
}

bool TrustStore::revoked(const PublicKey& key) const {
  return std::any_of(authorities_.begin(), authorities_.end(), [&](const Authority& authority) {
    return std::binary_search(authority.revoked.begin(), authority.revoked.end(), key);
  });
}

std::vector<VerifyKey> TrustStore::authorities() const {
  std::vector<VerifyKey> keys;
  for (const Authority& authority : authorities_) keys.push_back(authority.key);
  return keys;
}

const TrustStore::Authority* TrustStore::find(const AuthorityKeyId& id) const {
  const auto found = std::find_if(authorities_.begin(), authorities_.end(),
                                  [&](const Authority& authority) { return authority.id == id; });
  return found == authorities_.end() ? nullptr : &*found;
}

bool TrustStore::signature_valid(Bytes encoded, const Authority& authority, Bytes signature) {
  // The whole key, not only its id, goes into the digest: ids of 8 bytes could be made to collide.
  const Digest digest = sha256({authority.key.view(), encoded});
  if (verified_.contains(digest)) return true;
  ++signature_checks_;
  const Bytes body = encoded.first(encoded.size() - kSignatureSize);
  if (!verify_signature(authority.key, signed_bytes(body), signature)) return false;
  remember(digest);
  return true;
}

void TrustStore::remember(const Digest& digest) {
  if (verified_order_.size() == kVerifiedMax) verified_.erase(verified_order_.pop_front());
  verified_.insert(digest);
  verified_order_.push_back(digest);
}

// SHA-256 output is evenly spread already, and nobody can steer it to fill one bucket: only valid
// signatures get in.
std::size_t TrustStore::DigestHash::operator()(const Digest& digest) const {
  std::size_t hash = 0;
  std::memcpy(&hash, digest.data(), sizeof hash);
  return hash;
}

}  // namespace whimbrel
