// Keys, authorities and certificates as files: what `whimbrel key` and `whimbrel cert` do, for
// programs that do it themselves. Every function reads or writes files at once (a blocking call),
// is thread-safe, and on failure says in `*error` (if given) what is wrong and what to do.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <whimbrel/identity.h>

namespace whimbrel {

// Our public key, 64 hex digits, from a file with our secret key. With `make`, a missing file is
// made (mode 0600).
std::optional<std::string> public_key_of_file(const std::string& path, bool make,
                                              std::string* error = nullptr);

// Makes an authority: `path` holds its secret key (mode 0600: whoever has it can issue
// certificates), `path`.pub its public key, which everybody who is to trust it names in
// Config::authority_files. Refuses to overwrite either. Returns the public key, 64 hex digits.
std::optional<std::string> new_authority(const std::string& path, std::string* error = nullptr);

// What a certificate says: that this key speaks for this identity in this application for this
// time.
struct CertificateInfo {
  Identity identity;
  std::string public_key_hex;  // 64 hex digits: X25519
  std::uint32_t app_id = 0;
  std::uint64_t serial = 0;
  std::int64_t not_before_unix_s = 0;  // inclusive
  std::int64_t not_after_unix_s = 0;   // inclusive
  std::string authority_id_hex;        // first 8 bytes of the SHA-256 of the authority's public key
};

struct CertificateRequest {
  Identity identity;           // whom it is for; must be valid
  std::string public_key_hex;  // whose key; 64 hex digits
  std::uint32_t app_id = 0;    // must equal Config::app_id of those who use it
  std::chrono::seconds validity = std::chrono::hours(24 * 30);  // at least 1 s, at most 10 years
};

// Signs a certificate that starts now, and writes it to `out_path` (overwriting it).
std::optional<CertificateInfo> issue_certificate(const std::string& authority_file,
                                                 const CertificateRequest& request,
                                                 const std::string& out_path,
                                                 std::string* error = nullptr);

// Reads a certificate without checking its signature or times.
std::optional<CertificateInfo> describe_certificate(const std::string& path,
                                                    std::string* error = nullptr);

// Whether one of these authorities (public key files) signed it and it is valid now. False with the
// reason otherwise.
bool check_certificate(const std::string& path, const std::vector<std::string>& authority_files,
                       std::string* error = nullptr);

}  // namespace whimbrel
