#include "io/key_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cstring>

#include "crypto/secure_memory.h"
#include "handshake/certificate.h"
#include "io/file_descriptor.h"
#include "io/small_file.h"

namespace whimbrel {

namespace {

constexpr std::string_view kSecretKeyWord = "whimbrel-secret-key";
constexpr std::string_view kAuthoritySecretWord = "whimbrel-authority-secret";
constexpr std::string_view kAuthorityWord = "whimbrel-authority";
constexpr std::string_view kCertificateWord = "whimbrel-certificate";
constexpr std::size_t kFileSizeMax = 4096;

std::string quoted(const std::string& path) { return "'" + path + "'"; }

std::string system_error(const std::string& what, const std::string& path, int error) {
  return "cannot " + what + " " + quoted(path) + ": " + std::strerror(error);
}

int write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return fsync(file) == 0 ? 0 : errno;
}

enum class Overwrite : std::uint8_t { kNo, kYes };

// Under another name first, so that nobody ever sees half a file. Answers errno, 0 when it worked.
int write_file(const std::string& path, std::string_view text, mode_t mode, Overwrite overwrite) {
  std::string temporary = path + ".XXXXXX";
  const FileDescriptor file(mkostemp(temporary.data(), O_CLOEXEC));
  if (!file.valid()) return errno;
  int error = fchmod(file.get(), mode) == 0 ? 0 : errno;
  if (error == 0) error = write_all(file.get(), text);
  // link() refuses a name that exists, rename() replaces it.
  const bool replace = overwrite == Overwrite::kYes;
  if (error == 0 && replace && rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0 && !replace && link(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error != 0 || !replace) unlink(temporary.c_str());
  return error;
}

std::string line_of(std::string_view word, Bytes bytes) {
  return std::string(word) + " " + to_hex(bytes) + "\n";
}

Expected<std::vector<std::uint8_t>> parse_line(std::string_view text, std::string_view word,
                                               const std::string& path) {
  const std::string wanted = quoted(path) + " is not a file with one line '" + std::string(word) +
                             " <hexadecimal digits>'";
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.remove_suffix(1);
  }
  const std::string_view found = text.substr(0, text.find(' '));
  if (found != word) {
    const std::string kind = kind_of_content(text);
    return Error{kind.empty() ? wanted : wanted + ": it is " + kind};
  }
  if (found.size() == text.size()) return Error{wanted + ": nothing follows the word"};
  auto bytes = from_hex(text.substr(found.size() + 1));
  if (!bytes) return Error{wanted + ": the digits are damaged"};
  return std::move(*bytes);
}

// What to do when a file of this kind is missing.
std::string_view how_to_make(std::string_view word) {
  if (word == kSecretKeyWord) return "; `whimbrel key FILE` makes one";
  if (word == kCertificateWord) return "; `whimbrel cert issue` makes one";
  return "; `whimbrel cert new-authority` makes one";
}

Expected<std::vector<std::uint8_t>> read_line(const std::string& path, std::string_view word) {
  SmallFile file = read_small_file(path, kFileSizeMax);
  if (!file.fault.empty()) {
    if (file.missing) return Error{file.fault + std::string(how_to_make(word))};
    return Error{file.fault + "; wanted is a " + std::string(word)};
  }
  auto bytes = parse_line(file.content, word, path);
  secure_wipe({reinterpret_cast<std::uint8_t*>(file.content.data()), file.content.size()});
  return bytes;
}

// The 32 bytes of a key.
template <typename Key>
Expected<Key> read_key(const std::string& path, std::string_view word) {
  auto bytes = read_line(path, word);
  if (!bytes) return Error{bytes.error()};
  if (bytes->size() != kKeySize)
    return Error{quoted(path) + " holds no key of 64 hexadecimal digits"};
  Key key;
  std::memcpy(key.bytes.data(), bytes->data(), kKeySize);
  secure_wipe(*bytes);
  return key;
}

std::string write_secret(const std::string& path, std::string_view word, const Secret& secret) {
  std::string line = line_of(word, secret.view());
  const int error = write_file(path, line, 0600, Overwrite::kNo);
  secure_wipe({reinterpret_cast<std::uint8_t*>(line.data()), line.size()});
  if (error == EEXIST)
    return quoted(path) + " exists already: choose another name, or move it away";
  return error == 0 ? std::string() : system_error("write", path, error);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string to_hex(Bytes bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 0xf];
  }
  return text;
}

std::optional<std::vector<std::uint8_t>> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::vector<std::uint8_t> bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_digit(text[i]);
    const int low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes.push_back(static_cast<std::uint8_t>(high << 4 | low));
  }
  return bytes;
}

std::optional<PublicKey> public_key_from_hex(std::string_view text) {
  const auto bytes = from_hex(text);
  return bytes ? public_key_from(*bytes) : std::nullopt;
}

Expected<SecretKey> read_secret_key(const std::string& path) {
  return read_key<SecretKey>(path, kSecretKeyWord);
}

Expected<SecretKey> read_or_make_secret_key(const std::string& path, Random& random) {
  if (access(path.c_str(), F_OK) != 0 && errno == ENOENT) {
    const KeyPair pair = generate_x25519(random);
    const std::string error = write_secret(path, kSecretKeyWord, pair.secret);
    // Somebody else made it in this moment: then theirs counts.
    if (error.empty()) return pair.secret;
    if (access(path.c_str(), F_OK) != 0) return Error{error};
  }
  return read_secret_key(path);
}

Expected<VerifyKey> make_authority(const std::string& path, Random& random) {
  const std::string public_path = path + ".pub";
  if (access(public_path.c_str(), F_OK) == 0) {
    return Error{quoted(public_path) + " exists already: choose another name, or move it away"};
  }
  const SigningKey key = SigningKey::generate(random);
  const std::string refused = write_secret(path, kAuthoritySecretWord, key.seed());
  if (!refused.empty()) return Error{refused};
  const std::string line = line_of(kAuthorityWord, key.verify_key().view());
  const int error = write_file(public_path, line, 0644, Overwrite::kNo);
  if (error != 0) return Error{system_error("write", public_path, error)};
  return key.verify_key();
}

Expected<SigningKey> read_authority_secret(const std::string& path) {
  auto seed = read_key<Secret>(path, kAuthoritySecretWord);
  if (!seed) return Error{seed.error()};
  return SigningKey::from_seed(*seed);
}

Expected<VerifyKey> read_authority(const std::string& path) {
  return read_key<VerifyKey>(path, kAuthorityWord);
}

Expected<std::vector<std::uint8_t>> read_certificate(const std::string& path) {
  auto bytes = read_line(path, kCertificateWord);
  if (bytes && !decode_certificate(*bytes)) {
    return Error{quoted(path) + " holds no certificate that this version can read"};
  }
  return bytes;
}

std::string write_certificate(const std::string& path, Bytes certificate) {
  // A slip of the pen must not cost a key.
  const SmallFile there = read_small_file(path, kFileSizeMax);
  const bool replaceable =
      there.fault.empty() && (there.content.empty() || there.content.starts_with(kCertificateWord));
  if (!replaceable && access(path.c_str(), F_OK) == 0)
    return quoted(path) + " exists already, and is no certificate: choose another name";
  const int error = write_file(path, line_of(kCertificateWord, certificate), 0644, Overwrite::kYes);
  return error == 0 ? std::string() : system_error("write", path, error);
}

}  // namespace whimbrel
