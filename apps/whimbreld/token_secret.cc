#include "token_secret.h"

#include <fmt/core.h>

#include <stdexcept>

#include "crypto/secure_memory.h"
#include "io/small_file.h"
#include "text.h"

using namespace whimbrel;

namespace {

constexpr std::size_t kSizeMax = 4096;

bool is_text(std::string_view content) {
  std::string joined(content);
  std::erase_if(joined, [](char c) { return c == '\n' || c == '\r' || c == '\t'; });
  const bool text = is_plain_text(joined);
  secure_wipe({reinterpret_cast<std::uint8_t*>(joined.data()), joined.size()});
  return text;
}

// How many bytes at its end are no part of a text.
std::size_t newline_of(std::string_view content) {
  if (!content.ends_with('\n') || !is_text(content)) return 0;
  return content.ends_with("\r\n") ? 2 : 1;
}

}  // namespace

rendezvous::Hs256Key read_token_secret(const std::string& path,
                                       const std::function<void(const std::string& text)>& warn) {
  const auto fail = [](const std::string& what) {
    throw std::runtime_error(
        fmt::format("login.token_key_file: {}; wanted is the secret that your backend has, {} "
                    "bytes at least, as \"openssl rand -hex 32\" makes one",
                    what, rendezvous::kHs256KeySizeMin));
  };
  SmallFile file = read_small_file(path, kSizeMax);
  if (!file.fault.empty()) fail(file.fault);
  const std::string kind = kind_of_content(file.content);
  // A key or a token in its place is a mistake, and no secret perhaps.
  if (!kind.empty() && kind != "no text")
    fail(fmt::format("'{}' holds no secret for HS256: it is {}", path, kind));
  const std::size_t newline = newline_of(file.content);
  const std::size_t size = file.content.size() - newline;
  if (size < rendezvous::kHs256KeySizeMin)
    fail(fmt::format("'{}' holds no secret for HS256: it has {} bytes", path, size));
  if (newline > 0)
    warn(fmt::format(
        "login.token_key_file: the newline at the end of '{}' is no part of the secret", path));
  const auto* begin = reinterpret_cast<const std::uint8_t*>(file.content.data());
  rendezvous::Hs256Key key{{begin, begin + size}};
  secure_wipe({reinterpret_cast<std::uint8_t*>(file.content.data()), file.content.size()});
  return key;
}
