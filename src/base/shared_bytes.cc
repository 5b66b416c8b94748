#include "base/shared_bytes.h"

#include <new>

namespace whimbrel {

namespace detail {

Slab* new_slab(std::size_t capacity) {
  void* memory = ::operator new(sizeof(Slab) + capacity);
  Slab* slab = new (memory) Slab;
  slab->capacity = capacity;
  return slab;
}

void free_slab(Slab* slab) {
  slab->~Slab();
  ::operator delete(slab);
}

}  // namespace detail

SharedBytes SharedBytes::copy(Bytes bytes) {
  if (bytes.empty()) return {};
  detail::Slab* slab = detail::new_slab(bytes.size());
  std::memcpy(slab->data(), bytes.data(), bytes.size());
  return {slab, slab->data(), bytes.size()};
}

SharedBytes SlabAllocator::allocate_slowly(std::size_t size) {
  if (size == 0) return {};
  if (size >= kOwnSlabMin) {
    detail::Slab* own = detail::new_slab(size);
    return {own, own->data(), size};
  }
  retire();
  slab_ = detail::new_slab(kSlabSize);
  slab_->references.store(kReferences, std::memory_order_relaxed);
  references_ = kReferences;
  at_ = slab_->data();
  left_ = kSlabSize;
  return allocate(size);
}

}  // namespace whimbrel
