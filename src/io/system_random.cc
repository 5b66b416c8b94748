#include "io/system_random.h"

#include <errno.h>

#include "io/kernel.h"

namespace whimbrel {

Secret system_random_seed() {
  Secret seed;
  std::size_t filled = 0;
  while (filled < seed.bytes.size()) {
    const ssize_t got = kernel().getrandom(seed.bytes.data() + filled, seed.bytes.size() - filled);
    ASSERT(got > 0 || (got < 0 && errno == EINTR));
    if (got > 0) filled += static_cast<std::size_t>(got);
  }
  return seed;
}

}  // namespace whimbrel
