#include "server/handover_ring.h"

namespace whimbrel {

HandoverRing::HandoverRing()
    : records_(new Record[kRecordsMax]), bytes_(new std::uint8_t[kBytesMax]) {}

bool HandoverRing::push(const relay::Handover& handover, Bytes bytes) {
  // A datagram is in one piece: where it would reach beyond the end, the rest of the round stays
  // unused.
  const std::uint64_t place = bytes_pushed_ % kBytesMax;
  const std::uint64_t skipped = place + bytes.size() > kBytesMax ? kBytesMax - place : 0;
  const std::uint64_t bytes_end = bytes_pushed_ + skipped + bytes.size();
  if (pushed_ - known_released_ >= kRecordsMax || bytes_end - known_bytes_released_ > kBytesMax) {
    known_released_ = released_.load(std::memory_order_acquire);
    known_bytes_released_ = bytes_released_.load(std::memory_order_acquire);
    if (pushed_ - known_released_ >= kRecordsMax || bytes_end - known_bytes_released_ > kBytesMax) {
      return false;
    }
  }
  if (!bytes.empty()) {
    std::memcpy(bytes_.get() + (bytes_pushed_ + skipped) % kBytesMax, bytes.data(), bytes.size());
  }
  Record& record = records_[pushed_ % kRecordsMax];
  record.handover = handover;
  record.size = static_cast<std::uint32_t>(bytes.size());
  record.used = static_cast<std::uint32_t>(skipped + bytes.size());
  bytes_pushed_ = bytes_end;
  ++pushed_;
  return true;
}

bool HandoverRing::publish() {
  if (published_.load(std::memory_order_relaxed) == pushed_) return false;
  // In one order with the taker's word that it goes to sleep: one of the two sees the other's.
  published_.store(pushed_, std::memory_order_seq_cst);
  return true;
}

std::optional<HandoverRing::Item> HandoverRing::next() {
  if (taken_ == published_.load(std::memory_order_acquire)) return std::nullopt;
  Record& record = records_[taken_ % kRecordsMax];
  ++taken_;
  bytes_taken_ += record.used;
  const std::uint64_t begin = bytes_taken_ - record.size;
  return Item{&record.handover, {bytes_.get() + begin % kBytesMax, record.size}};
}

void HandoverRing::release() {
  if (released_.load(std::memory_order_relaxed) == taken_) return;
  bytes_released_.store(bytes_taken_, std::memory_order_release);
  released_.store(taken_, std::memory_order_release);
}

}  // namespace whimbrel
