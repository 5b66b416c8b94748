// Tells whether this is still the process in which something was made, or a child of it by fork().
// Two processes that go on with the same keys and packet numbers would seal different text under
// one nonce, so one of them must not go on.
#pragma once

#include <cstdint>

namespace whimbrel {

// Thread-safe. Does not tell a child by vfork(), or by clone() with shared memory: that must not
// call us at all.
class ForkGuard {
 public:
  // Belongs to the process that makes it.
  ForkGuard();
  // This is another process. Costs a load from memory.
  bool forked() const;

 private:
  std::uint32_t mark_;
};

}  // namespace whimbrel
