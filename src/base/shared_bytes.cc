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

SharedBytes SlabAllocator::allocate(std::size_t size) {
  if (size == 0) return {};
  if (size >= kOwnSlabMin) {
    detail::Slab* own = detail::new_slab(size);
    return {own, own->data(), size};
  }
  if (slab_ == nullptr || slab_->capacity - used_ < size) {
    detail::release(slab_);
    slab_ = detail::new_slab(kSlabSize);
    used_ = 0;
  }
  std::uint8_t* data = slab_->data() + used_;
  used_ += size;
  slab_->references.fetch_add(1, std::memory_order_relaxed);
  return {slab_, data, size};
}

}  // namespace whimbrel
