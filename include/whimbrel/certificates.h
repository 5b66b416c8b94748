// Keys, authorities and certificates as files, for programs that do what `whimbrel key` and
// `whimbrel cert` do. Every function reads or writes files before it returns, so it may block.
// Every function is thread-safe. If one fails, it returns nothing (or false), and `*error` (if
// given) says in a sentence what is wrong and what to do. Files have one line of text;
// docs/PROTOCOL.md section 3 has the bytes of a certificate.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <whimbrel/identity.h>

namespace whimbrel {

// Our public key (X25519), 64 hex digits, from a file with our secret key. With `make`, a missing
// file is made (mode 0600).
std::optional<std::string> public_key_of_file(const std::string& path, bool make,
                                              std::string* error = nullptr);

// Makes an authority. `path` will hold its secret key (mode 0600): whoever has this file can issue
// certificates. `path`.pub will hold its public key: everybody who is to trust the authority names
// this file in Config::authority_files. It fails if either file exists. Returns the public key
// (Ed25519), 64 hex digits.
std::optional<std::string> new_authority(const std::string& path, std::string* error = nullptr);

// What a certificate says: this key speaks for this identity, in this application, for this time.
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

// Signs a certificate that is valid from now on, and writes it to `out_path`, which is overwritten.
// `authority_file`: the authority's secret key.
std::optional<CertificateInfo> issue_certificate(const std::string& authority_file,
                                                 const CertificateRequest& request,
                                                 const std::string& out_path,
                                                 std::string* error = nullptr);

// Reads a certificate without checking its signature or times.
std::optional<CertificateInfo> describe_certificate(const std::string& path,
                                                    std::string* error = nullptr);

// Whether one of these authorities (files of public keys) has signed the certificate, and it is
// valid now. If not, `*error` (if given) says why.
bool check_certificate(const std::string& path, const std::vector<std::string>& authority_files,
                       std::string* error = nullptr);

}  // namespace whimbrel
