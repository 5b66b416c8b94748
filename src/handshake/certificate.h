// Certificates: an authority's Ed25519 signature over an identity and the X25519 key that speaks
// for it in one application, for a span of time.
//
//  | version u8 = 1 | app id u32 | serial u64 | not before i64 | not after i64 | static key 32 |
//  | authority key id 8 | identity length u8 | identity | signature 64 |
//
// Integers are big-endian, times are Unix seconds. The signature covers the ASCII text
// "whimbrel certificate 1" and all bytes before the signature.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/bytes.h"
#include "base/ring_buffer.h"
#include "base/time.h"
#include "crypto/hash.h"
#include "crypto/keys.h"

namespace whimbrel {

// An identity's text form on the wire, without a terminator.
inline constexpr std::size_t kIdentityTextSizeMax = 127;
inline constexpr std::size_t kCertificateFixedSize =
    1 + 4 + 8 + 8 + 8 + 32 + 8 + 1 + kSignatureSize;
inline constexpr std::size_t kCertificateSizeMax = kCertificateFixedSize + kIdentityTextSizeMax;
// not_before may lie this far in the future, for clocks that disagree. Seconds.
inline constexpr std::int64_t kNotBeforeLeewaySeconds = 300;

// First 8 bytes of the SHA-256 of an authority's Ed25519 public key.
using AuthorityKeyId = std::array<std::uint8_t, 8>;
AuthorityKeyId authority_key_id(const VerifyKey& key);

struct Certificate {
  std::uint32_t app_id = 0;
  std::uint64_t serial = 0;
  std::int64_t not_before = 0;  // Unix seconds, inclusive
  std::int64_t not_after = 0;   // Unix seconds, inclusive
  PublicKey static_key;
  AuthorityKeyId authority{};  // sign_certificate() fills it in
  std::string identity;        // 1 to kIdentityTextSizeMax bytes
  Signature signature{};       // sign_certificate() fills it in
};

// Encodes and signs. The identity must have 1 to kIdentityTextSizeMax bytes (ASSERT).
std::vector<std::uint8_t> sign_certificate(Certificate certificate, const SigningKey& authority);

// Nothing if `bytes` is not exactly one well-formed certificate of version 1. Verifies nothing.
std::optional<Certificate> decode_certificate(Bytes bytes);

// What became of a peer's certificate. Only kValid proves the identity.
enum class CertificateStatus : std::uint8_t {
  kAbsent,  // the peer sent none
  kValid,
  kMalformed,         // not a certificate of version 1
  kUnknownAuthority,  // signed by nobody we trust
  kWrongSignature,
  kWrongApp,
  kWrongIdentity,  // for another identity than the peer claims
  kWrongKey,       // for another key than the handshake proved
  kNotYetValid,
  kExpired,
  kRevoked,
};
const char* to_string(CertificateStatus status);

// What a certificate has to prove.
struct CertificateClaim {
  std::uint32_t app_id = 0;
  std::string_view identity;
  PublicKey static_key;
};

// The authorities that one endpoint trusts. Not thread-safe.
class TrustStore {
 public:
  static constexpr std::size_t kAuthoritiesMax = 16;
  static constexpr std::size_t kVerifiedMax = 1024;

  // False when kAuthoritiesMax are held already. Adding one twice is no error.
  bool add_authority(const VerifyKey& key);
  // From now on neither its certificates nor its revocations count.
  void remove_authority(const VerifyKey& key);
  bool empty() const { return authorities_.empty(); }
  std::size_t authority_count() const { return authorities_.size(); }
  std::vector<VerifyKey> authorities() const;
  // Keys that an authority revokes (revocations.h). The list replaces an older one of the same
  // authority. False: it is malformed, of nobody we trust, wrongly signed, dated in the future, or
  // older (by more than clocks may differ) than the list we have, unless that one is dated in the
  // future itself.
  bool set_revocations(Bytes encoded, UnixMillis now);
  // Whether any of them has revoked the key.
  bool revoked(const PublicKey& key) const;

  // `encoded` may be empty (kAbsent). Cheap checks come before the
  // signature; signatures found valid are remembered (kVerifiedMax, oldest out), because one costs
  // 100-200 us. Times are checked at every call.
  CertificateStatus verify(Bytes encoded, const CertificateClaim& claim, UnixMillis now);

  std::uint64_t signature_checks() const { return signature_checks_; }

 private:
  struct Authority {
    AuthorityKeyId id;
    VerifyKey key;
    std::int64_t revocations_issued = 0;
    std::vector<PublicKey> revoked;  // ascending
  };
  struct DigestHash {
    std::size_t operator()(const Digest& digest) const;
  };

  const Authority* find(const AuthorityKeyId& id) const;
  bool signature_valid(Bytes encoded, const Authority& authority, Bytes signature);
  void remember(const Digest& digest);

  std::vector<Authority> authorities_;
  std::unordered_set<Digest, DigestHash> verified_;
  RingBuffer<Digest> verified_order_;
  std::uint64_t signature_checks_ = 0;
};

}  // namespace whimbrel
