// Files with keys and certificates: one line of text each, a word that says what it is and
// hexadecimal digits.
//
//   whimbrel-secret-key <64 digits>         X25519 secret key; mode 0600
//   whimbrel-authority-secret <64 digits>   Ed25519 seed; mode 0600
//   whimbrel-authority <64 digits>          Ed25519 public key
//   whimbrel-certificate <digits>           a certificate as handshakes carry it
//
// All of these block on the disk. New secret files appear whole or not at all.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/expected.h"
#include "base/random.h"
#include "crypto/keys.h"

namespace whimbrel {

std::string to_hex(Bytes bytes);
// Nothing unless `text` is an even number of hexadecimal digits.
std::optional<std::vector<std::uint8_t>> from_hex(std::string_view text);
// 64 digits.
std::optional<PublicKey> public_key_from_hex(std::string_view text);

Expected<SecretKey> read_secret_key(const std::string& path);
// Reads it, or makes one if there is no such file.
Expected<SecretKey> read_or_make_secret_key(const std::string& path, Random& random);

// `path` for the secret, `path`.pub for the public key. Refuses to overwrite either.
Expected<VerifyKey> make_authority(const std::string& path, Random& random);
Expected<SigningKey> read_authority_secret(const std::string& path);
Expected<VerifyKey> read_authority(const std::string& path);

Expected<std::vector<std::uint8_t>> read_certificate(const std::string& path);
// Overwrites a certificate, and nothing else. The error is empty when it worked.
std::string write_certificate(const std::string& path, Bytes certificate);

}  // namespace whimbrel
