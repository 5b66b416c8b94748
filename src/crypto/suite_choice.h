// Which cipher suite this machine is best at.
#pragma once

#include "crypto/aead.h"

namespace whimbrel {

// AES-GCM where the processor has instructions for it. Without them it is slow, and tables make its
// time depend on the key: ChaCha20-Poly1305 then (RFC 8439 1).
AeadSuite preferred_suite();

}  // namespace whimbrel
