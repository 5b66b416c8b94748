// The operating system's randomness: only ever a seed for crypto/secure_random.h.
#pragma once

#include "crypto/secret.h"

namespace whimbrel {

// 32 bytes from the kernel's generator. Aborts if the kernel has none to give: nothing safe can be
// done then.
Secret system_random_seed();

}  // namespace whimbrel
