// ASSERT: for mistakes of the library's own code and of its caller; on in release builds too. Bytes
// from a peer are never asserted on: they are checked, counted and dropped.
#pragma once

namespace whimbrel::detail {
[[noreturn]] void assert_failed(const char* expression, const char* file, int line);
}  // namespace whimbrel::detail

#define ASSERT(expression)                                                \
  do {                                                                    \
    if (!(expression)) [[unlikely]]                                       \
      ::whimbrel::detail::assert_failed(#expression, __FILE__, __LINE__); \
  } while (false)
