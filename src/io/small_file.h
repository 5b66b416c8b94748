// Files that somebody has named: settings, keys, tokens. Read whole, and only where they are files.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace whimbrel {

struct SmallFile {
  std::string content;
  std::string fault;  // empty: read. Else what is wrong, with the name of the file
  bool missing = false;
};

// At most `size_max` bytes; a larger file is a fault. A pipe, a socket or a device is one, too:
// nobody waits for it. /dev/null is an empty file.
SmallFile read_small_file(const std::string& path, std::size_t size_max);

// What kind of file has this content, for "it is ...": "empty", "a PEM file (PUBLIC KEY)". Empty
// where that cannot be told.
std::string kind_of_content(std::string_view content);

}  // namespace whimbrel
