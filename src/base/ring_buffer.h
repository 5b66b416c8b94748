// A queue in one growing block of memory: push at the back, pop at the front, random access
// between. Grows by doubling, gives memory back when it has run empty and is large. No iterator
// stays valid across a push.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "base/assert.h"

namespace whimbrel {

// `kKeptCapacity`: memory for so many is kept when it runs empty.
template <typename T, std::size_t kKeptCapacity = 4096>
class RingBuffer {
 public:
  RingBuffer() = default;
  RingBuffer(RingBuffer&&) noexcept = default;
  RingBuffer& operator=(RingBuffer&&) noexcept = default;

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::size_t capacity() const { return capacity_; }

  T& operator[](std::size_t index) { return slots_[(head_ + index) & (capacity_ - 1)]; }
  const T& operator[](std::size_t index) const { return slots_[(head_ + index) & (capacity_ - 1)]; }
  T& front() {
    ASSERT(size_ > 0);
    return slots_[head_];
  }
  const T& front() const {
    ASSERT(size_ > 0);
    return slots_[head_];
  }
  T& back() {
    ASSERT(size_ > 0);
    return (*this)[size_ - 1];
  }
  const T& back() const {
    ASSERT(size_ > 0);
    return (*this)[size_ - 1];
  }

  T& push_back(T value) {
    if (size_ == capacity_) grow();
    T& slot = slots_[(head_ + size_) & (capacity_ - 1)];
    slot = std::move(value);
    ++size_;
    return slot;
  }
  void push_front(T value) {
    if (size_ == capacity_) grow();
    head_ = (head_ + capacity_ - 1) & (capacity_ - 1);
    slots_[head_] = std::move(value);
    ++size_;
  }
  T pop_front() {
    ASSERT(size_ > 0);
    T value = std::move(slots_[head_]);
    drop_front();
    return value;
  }
  void drop_front() {
    ASSERT(size_ > 0);
    slots_[head_] = T();
    head_ = (head_ + 1) & (capacity_ - 1);
    --size_;
    if (size_ == 0 && capacity_ > kKeptCapacity) clear();
  }
  void clear() {
    slots_.reset();
    head_ = size_ = capacity_ = 0;
  }

 private:
  static constexpr std::size_t kFirstCapacity = 4;

  void grow() {
    const std::size_t capacity = capacity_ == 0 ? kFirstCapacity : capacity_ * 2;
    auto slots = std::make_unique<T[]>(capacity);
    for (std::size_t i = 0; i < size_; ++i) slots[i] = std::move((*this)[i]);
    slots_ = std::move(slots);
    head_ = 0;
    capacity_ = capacity;
  }

  std::unique_ptr<T[]> slots_;
  std::size_t head_ = 0;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace whimbrel
