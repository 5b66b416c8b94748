#pragma once

#define WHIMBREL_VERSION_MAJOR 0
#define WHIMBREL_VERSION_MINOR 1
#define WHIMBREL_VERSION_PATCH 0

namespace whimbrel {
// Of the library that is linked: "0.1.0". Valid for ever; any thread may call it.
const char* version();
}  // namespace whimbrel
