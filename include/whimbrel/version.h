#pragma once

#define WHIMBREL_VERSION_MAJOR 0
#define WHIMBREL_VERSION_MINOR 1
#define WHIMBREL_VERSION_PATCH 0

namespace whimbrel {
// "0.1.0", of the library that is linked.
const char* version();
}  // namespace whimbrel
