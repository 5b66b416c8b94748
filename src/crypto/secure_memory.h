// Wiping secrets and comparing them in constant time.
#pragma once

#include "base/bytes.h"

namespace whimbrel {

// Overwrites with zeros in a way that the compiler does not remove.
void secure_wipe(MutableBytes bytes);

// True when sizes and contents are equal; the time depends on the sizes only.
bool constant_time_equal(Bytes a, Bytes b);

}  // namespace whimbrel
