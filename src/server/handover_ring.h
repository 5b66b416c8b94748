// The way from one shard's thread to another's: a ring of records, and a ring of the bytes that belong to them. Datagrams lie
// there one right behind the other, so that neighbours to one address leave in one piece from where they lie.
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
  // What one look at a socket can bring fits; beyond either, push() refuses.
  static constexpr std::size_t kRecordsMax = 2048;
  static constexpr std::size_t kBytesMax = std::size_t{1} << 20;

  HandoverRing();

  // --- the pushing thread
  // Seen by the other end after publish(). False: full, or too large.
  bool push(const relay::Handover& handover, Bytes bytes);
  // True if there was something new.
  bool publish();

  // --- the taking thread
  struct Item {
    const relay::Handover* handover = nullptr;
    MutableBytes bytes;  // both valid, and the bytes the taker's to write to, until release()
  };
  std::optional<Item> next();
  // Gives back all that next() has handed out.
  void release();
  // next() has nothing.
  bool empty() const { return taken_ == published_.load(std::memory_order_seq_cst); }

 private:
  struct alignas(64) Record {
    relay::Handover handover;
    std::uint32_t size = 0;
    std::uint32_t used = 0;  // of the bytes: size, and what was skipped before it
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
