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
  SharedBytes result = make(bytes.size());
  if (!bytes.empty()) std::memcpy(result.data_, bytes.data(), bytes.size());
  return result;
}

SharedBytes SharedBytes::make(std::size_t size) {
  if (size == 0) return {};
  detail::Slab* slab = detail::new_slab(size);
  return {slab, slab->data(), size};
}

SharedBytes SlabAllocator::allocate_slowly(std::size_t size) {
  if (size == 0 || size >= kOwnSlabMin) return SharedBytes::make(size);
  retire();
  slab_ = detail::new_slab(kSlabSize);
  slab_->references.store(kReferences, std::memory_order_relaxed);
  references_ = kReferences;
  at_ = slab_->data();
  left_ = kSlabSize;
  return allocate(size);
}

}  // namespace whimbrel
