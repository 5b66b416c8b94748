#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace whimbrel::detail {

void assert_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "whimbrel: assertion failed: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace whimbrel::detail
