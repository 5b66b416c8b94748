#include "io/small_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

#include "crypto/secure_memory.h"
#include "io/file_descriptor.h"

namespace whimbrel {

namespace {

// What it is instead of a file; null: it is one.
const char* other_kind(const struct stat& info) {
  if (S_ISDIR(info.st_mode)) return "a folder";
  if (S_ISFIFO(info.st_mode)) return "a pipe";
  if (S_ISSOCK(info.st_mode)) return "a socket";
  if (!S_ISCHR(info.st_mode) && !S_ISBLK(info.st_mode)) return nullptr;
  // What stands in the place of a file that is to be none.
  struct stat null {};
  const bool is_null = stat("/dev/null", &null) == 0 && null.st_rdev == info.st_rdev;
  return is_null ? nullptr : "a device";
}

// errno, 0 when it worked. One byte more than `size_max` where there are more.
int read_all(int file, std::size_t size_max, std::string& content) {
  constexpr std::size_t kPiece = 4096;
  std::size_t size = 0;
  while (size <= size_max) {
    content.resize(std::min(size + kPiece, size_max + 1));
    const ssize_t got = read(file, content.data() + size, content.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  content.resize(size);
  return 0;
}

bool is_text(std::string_view content) {
  return std::all_of(content.begin(), content.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7f) || c == '\n' || c == '\r' || c == '\t';
  });
}

}  // namespace

SmallFile read_small_file(const std::string& path, std::size_t size_max) {
  SmallFile result;
  const std::string cannot = "cannot read '" + path + "': ";
  // A pipe that nobody writes to would be waited for.
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat info {};
  int error = file.valid() ? 0 : errno;
  if (error == 0 && fstat(file.get(), &info) != 0) error = errno;
  result.missing = error == ENOENT;
  if (error == 0) {
    if (const char* kind = other_kind(info)) {
      result.fault = cannot + "it is " + kind + ", not a file";
      return result;
    }
    error = read_all(file.get(), size_max, result.content);
  }
  if (error == 0 && result.content.size() <= size_max) return result;
  const std::string kind = kind_of_content(result.content);
  secure_wipe({reinterpret_cast<std::uint8_t*>(result.content.data()), result.content.size()});
  result.content.clear();
  if (error == 0) {
    const std::string known = kind.starts_with("a ") ? kind + ", and " : std::string();
    result.fault = cannot + "it is " + known + "too large: it has more than " +
                   std::to_string(size_max) + " bytes";
  } else {
    // ENXIO: open() of a socket's name.
    result.fault = cannot + (error == ENXIO ? "it is a socket, not a file" : std::strerror(error));
  }
  return result;
}

std::string kind_of_content(std::string_view content) {
  using namespace std::string_view_literals;
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kBeginnings = {{
      {"whimbrel-secret-key "sv, "a whimbrel-secret-key"sv},
      {"whimbrel-authority-secret "sv,
       "a whimbrel-authority-secret (its public key is in the file with .pub)"sv},
      {"whimbrel-authority "sv, "a whimbrel-authority (a public key)"sv},
      {"whimbrel-certificate "sv, "a whimbrel-certificate"sv},
      {"SQLite format 3\0"sv, "a database"sv},
      {"\x7f"
       "ELF"sv,
       "a program"sv},
      {"ssh-"sv, "a public key of SSH"sv},
      {"eyJ"sv, "a token (a JSON Web Token)"sv},
  }};
  if (content.empty()) return "empty";
  for (const auto& [beginning, kind] : kBeginnings) {
    if (content.starts_with(beginning)) return std::string(kind);
  }
  constexpr std::string_view kPem = "-----BEGIN ";
  if (content.starts_with(kPem)) {
    const std::string_view label = content.substr(kPem.size(), 40);
    return "a PEM file (" + std::string(label.substr(0, label.find_first_of("-\r\n"))) + ")";
  }
  if (content.find_first_not_of(" \t\r\n") == std::string_view::npos) return "empty";
  return is_text(content) ? "" : "no text";
}

}  // namespace whimbrel
