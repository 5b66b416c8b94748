// Payload bytes that are moved through the library, not copied: a view into a reference-counted
// slab.
//
// Many small payloads share one slab, so that a 64-byte message costs no allocation of its own. The
// count is atomic: a payload may be let go on another thread than the one that made it. A slab is
// freed when its last payload goes.
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

#include "base/bytes.h"

namespace whimbrel {

namespace detail {
struct Slab {
  std::atomic<std::size_t> references{1};
  std::size_t capacity = 0;
  std::uint8_t* data() { return reinterpret_cast<std::uint8_t*>(this + 1); }
};
Slab* new_slab(std::size_t capacity);
void free_slab(Slab* slab);
inline void release(Slab* slab, std::size_t count = 1) {
  if (slab != nullptr && slab->references.fetch_sub(count, std::memory_order_acq_rel) == count)
    free_slab(slab);
}
}  // namespace detail

class SharedBytes {
 public:
  SharedBytes() = default;
  SharedBytes(const SharedBytes& other)
      : slab_(other.slab_), data_(other.data_), size_(other.size_) {
    if (slab_ != nullptr) slab_->references.fetch_add(1, std::memory_order_relaxed);
  }
  SharedBytes(SharedBytes&& other) noexcept
      : slab_(std::exchange(other.slab_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  SharedBytes& operator=(const SharedBytes& other) { return *this = SharedBytes(other); }
  SharedBytes& operator=(SharedBytes&& other) noexcept {
    detail::Slab* old = std::exchange(slab_, std::exchange(other.slab_, nullptr));
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    detail::release(old);
    return *this;
  }
  ~SharedBytes() { detail::release(slab_); }

  // A copy of `bytes` in a slab of its own. Empty bytes need no slab.
  static SharedBytes copy(Bytes bytes);
  // Uninitialised bytes in a slab of their own: for what may wait long.
  static SharedBytes make(std::size_t size);

  const std::uint8_t* data() const { return data_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Bytes view() const { return {data_, size_}; }
  operator Bytes() const { return view(); }  // NOLINT: it is one
  // Gives the reference away: whoever has the slab (null for empty bytes) calls detail::release()
  // on it.
  detail::Slab* detach() && { return std::exchange(slab_, nullptr); }
  // Only for whoever made it and has not shared it yet.
  MutableBytes mutable_view() { return {data_, size_}; }

 private:
  friend class SlabAllocator;
  friend class SharedBytesRelease;
  // Takes over one reference.
  SharedBytes(detail::Slab* slab, std::uint8_t* data, std::size_t size)
      : slab_(slab), data_(data), size_(size) {}

  detail::Slab* slab_ = nullptr;
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

// Cuts payloads from slabs by moving a pointer. One allocator belongs to one thread (or one lock);
// what it hands out does not. Payloads of kOwnSlabMin bytes or more get a slab of their own, so a
// small payload that the application keeps can pin at most kSlabSize bytes.
//
// The count is biased: the allocator takes more references than a slab has room for at once, hands
// them out without an atomic operation, and gives the rest back when the slab is full. The thread
// that cuts and the one that lets go do not fight for the cache line.
class SlabAllocator {
 public:
  static constexpr std::size_t kSlabSize = 16 * 1024;
  static constexpr std::size_t kOwnSlabMin = 4 * 1024;

  SlabAllocator() = default;
  SlabAllocator(const SlabAllocator&) = delete;
  SlabAllocator& operator=(const SlabAllocator&) = delete;
  ~SlabAllocator() { retire(); }

  // Uninitialised bytes to be filled through mutable_view().
  SharedBytes allocate(std::size_t size) {
    if (size == 0 || size > left_ || size >= kOwnSlabMin) return allocate_slowly(size);
    std::uint8_t* data = at_;
    at_ += size;
    left_ -= size;
    --references_;
    return {slab_, data, size};
  }
  SharedBytes copy(Bytes bytes) {
    SharedBytes result = allocate(bytes.size());
    if (!bytes.empty()) std::memcpy(result.mutable_view().data(), bytes.data(), bytes.size());
    return result;
  }

 private:
  // The allocator takes more references than it can hand out when it makes a slab, and gives the
  // rest back at once when it is done with it: no atomic operation for each payload.
  static constexpr std::size_t kReferences = kSlabSize + 1;

  SharedBytes allocate_slowly(std::size_t size);
  void retire() { detail::release(slab_, references_); }

  detail::Slab* slab_ = nullptr;
  std::uint8_t* at_ = nullptr;
  std::size_t left_ = 0;
  std::size_t references_ = 0;  // not handed out
};

// Lets go of many payloads: neighbours from one slab cost one atomic operation together.
class SharedBytesRelease {
 public:
  SharedBytesRelease() = default;
  SharedBytesRelease(const SharedBytesRelease&) = delete;
  SharedBytesRelease& operator=(const SharedBytesRelease&) = delete;
  ~SharedBytesRelease() { detail::release(slab_, count_); }

  void add(SharedBytes bytes) {
    detail::Slab* slab = std::exchange(bytes.slab_, nullptr);
    if (slab == nullptr) return;
    if (slab != slab_) {
      detail::release(slab_, count_);
      slab_ = slab;
      count_ = 0;
    }
    ++count_;
  }

 private:
  detail::Slab* slab_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace whimbrel
