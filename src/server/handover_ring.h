// What one thread hands over to another: a ring of records, and a ring of their bytes. Datagrams
// lie one right behind the other, so that neighbours to one address can be sent in one piece.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "relay/handover.h"

namespace whimbrel {

// One thread pushes, one thread takes; neither waits for the other.
class HandoverRing {
 public:
  // What a turn can take from a socket fits; beyond either limit push() refuses.
  static constexpr std::size_t kRecordsMax = 2048;
  static constexpr std::size_t kBytesMax = std::size_t{1} << 20;

  HandoverRing();

  // --- the pushing thread
  // The other end sees it after publish(). False: there is no room, or it is too large.
  bool push(const relay::Handover& handover, Bytes bytes);
  // True if there was something new.
  bool publish();

  // --- the taking thread
  struct Item {
    const relay::Handover* handover = nullptr;
    MutableBytes bytes;  // both valid until release(); the taker may write to the bytes
  };
  std::optional<Item> next();
  // Frees everything that next() has returned.
  void release();
  // Whether next() would return nothing.
  bool empty() const { return taken_ == published_.load(std::memory_order_seq_cst); }

 private:
  struct alignas(64) Record {
    relay::Handover handover;
    std::uint32_t size = 0;
    std::uint32_t used = 0;  // bytes of the ring: size, and what was skipped before it
  };
  static_assert(sizeof(Record) == 64, "one cache line from core to core");

  std::unique_ptr<Record[]> records_;
  std::unique_ptr<std::uint8_t[]> bytes_;

  // Positions only grow. Each line has one writer.
  alignas(64) std::uint64_t pushed_ = 0;
  std::uint64_t bytes_pushed_ = 0;
  std::uint64_t known_released_ = 0;
  std::uint64_t known_bytes_released_ = 0;
  alignas(64) std::atomic<std::uint64_t> published_{0};
  alignas(64) std::uint64_t taken_ = 0;
  std::uint64_t bytes_taken_ = 0;
  std::atomic<std::uint64_t> released_{0};
  std::atomic<std::uint64_t> bytes_released_{0};
};

}  // namespace whimbrel
