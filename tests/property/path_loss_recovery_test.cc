// Loss recovery against a naive model: whatever is sent, acknowledged, lost, reordered and whenever
// timers fire, each frame comes back exactly once, but for one that was lost to a probe and is
// acknowledged after all; and the bytes in flight are those of the packets that are not settled.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>
#include <set>
#include <vector>

#include "path/loss_recovery.h"
#include "path/path.h"

namespace whimbrel {
namespace {

struct Operation {
  std::uint8_t kind = 0;
  std::uint16_t a = 0;
  std::uint16_t b = 0;
};

rc::Gen<Operation> operation() {
  return rc::gen::build<Operation>(
      rc::gen::set(&Operation::kind, rc::gen::inRange<std::uint8_t>(0, 6)),
      rc::gen::set(&Operation::a), rc::gen::set(&Operation::b));
}

class Exercise : public FrameSink {
 public:
  void on_frame_acked(const SentFrame& frame) override {
    if (lost_.erase(frame.offset) == 0) RC_ASSERT(outstanding_.erase(frame.offset) == 1u);
  }
  void on_frame_lost(const SentFrame& frame) override {
    RC_ASSERT(outstanding_.erase(frame.offset) == 1u);
    lost_.insert(frame.offset);
  }

  void apply(const Operation& op) {
    switch (op.kind) {
      case 0:
      case 1:
        for (int i = 0; i <= op.a % 8; ++i) send(static_cast<std::uint16_t>(op.b + i));
        break;
      case 2:
        acknowledge(op.a, op.b);
        break;
      case 3:
        now_ += microseconds(op.a);
        break;
      case 4:
        fire();
        break;
      default:
        acknowledge_pieces(op.a, op.b);
    }
    RC_ASSERT(recovery_.next_deadline() == kNever || recovery_.eliciting_outstanding() > 0 ||
              !recovery_.packets().empty());
  }
  void finish() {
    recovery_.abandon(*this);
    RC_ASSERT(outstanding_.empty());
    RC_ASSERT(recovery_.bytes_in_flight() == 0u);
    RC_ASSERT(recovery_.eliciting_outstanding() == 0u);
  }

 private:
  void send(std::uint16_t what) {
    const bool eliciting = what % 5 != 0;
    std::vector<SentFrame> frames;
    for (int i = 0; eliciting && i < what % 3; ++i) {
      frames.push_back({FrameType::kStream, 1, 0, next_frame_, 0});
      outstanding_.insert(next_frame_++);
    }
    recovery_.on_packet_sent(now_, 100 + what % 1000, eliciting, PacketPurpose::kNormal, 0, frames);
  }

  void deliver(const AckFrame& ack) {
    Settled settled;
    const std::uint64_t before = recovery_.bytes_in_flight();
    const bool valid = recovery_.on_ack_received(ack, now_, *this, settled);
    RC_ASSERT(valid == (ack.ranges[0].end <= recovery_.next_number()));
    RC_ASSERT(before >= recovery_.bytes_in_flight());
    RC_ASSERT(before - recovery_.bytes_in_flight() == settled.bytes_acked + settled.bytes_lost);
  }
  // One range; now and then of packets that were never sent.
  void acknowledge(std::uint16_t a, std::uint16_t b) {
    const std::uint64_t next = recovery_.next_number();
    if (next == 0) return;
    AckFrame ack;
    ack.count = 1;
    ack.ranges[0].end = std::max<std::uint64_t>(next - a % std::min<std::uint64_t>(next, 20), 1);
    if (a % 50 == 49) ack.ranges[0].end = next + 1;
    ack.ranges[0].begin =
        ack.ranges[0].end - 1 - b % std::min<std::uint64_t>(ack.ranges[0].end, 10);
    deliver(ack);
  }
  // Ranges by the bits of `b`, newest first.
  void acknowledge_pieces(std::uint16_t a, std::uint16_t b) {
    const std::uint64_t next = recovery_.next_number();
    AckFrame ack;
    ack.delay_us = a;
    for (unsigned bit = 0; bit < 16 && next > bit; ++bit) {
      if ((b >> bit & 1) == 0) continue;
      const std::uint64_t number = next - 1 - bit;
      if (ack.count > 0 && ack.ranges[ack.count - 1].begin == number + 1)
        ack.ranges[ack.count - 1].begin = number;
      else
        ack.ranges[ack.count++] = {number, number + 1};
    }
    if (ack.count > 0) deliver(ack);
  }
  void fire() {
    const Instant deadline = recovery_.next_deadline();
    if (deadline == kNever) return;
    now_ = std::max(now_, deadline);
    // A late timer may find the loss timer and then the probe timer due, but never an endless row
    // of them.
    for (int i = 0; i < 3 && recovery_.next_deadline() <= now_; ++i) {
      Settled settled;
      recovery_.on_deadline(now_, *this, settled);
    }
    RC_ASSERT(recovery_.next_deadline() > now_);
  }

  Instant now_{seconds(1)};
  LossRecovery recovery_{milliseconds(333), milliseconds(25), now_};
  std::uint64_t next_frame_ = 0;
  std::set<std::uint64_t> outstanding_;
  std::set<std::uint64_t> lost_;  // and not acknowledged
};

TEST(PathProperty, EveryFrameComesBackOnce) {
  EXPECT_TRUE(rc::check([] {
    Exercise exercise;
    for (const Operation& op : *rc::gen::container<std::vector<Operation>>(operation()))
      exercise.apply(op);
    exercise.finish();
  }));
}

// The receiving side against a plain set of numbers.
TEST(PathProperty, AcksSayExactlyWhatArrived) {
  EXPECT_TRUE(rc::check([](const std::vector<std::uint8_t>& numbers) {
    const Instant now{seconds(1)};
    Path path(PathId{0}, PathConfig{}, now);
    std::set<std::uint64_t> arrived;
    for (const std::uint8_t byte : numbers) {
      const std::uint64_t number = byte % 100;  // at most 50 ranges: all fit
      RC_ASSERT(path.is_duplicate(PacketNumber{number}) == arrived.contains(number));
      path.on_packet_received(PacketNumber{number}, 100, true, now);
      arrived.insert(number);
    }
    if (arrived.empty()) return;
    AckFrame ack;
    path.make_ack(ack, now);
    std::set<std::uint64_t> told;
    for (std::uint32_t i = 0; i < ack.count; ++i) {
      RC_ASSERT(ack.ranges[i].size() > 0u);
      const bool descends = i == 0 || ack.ranges[i].end < ack.ranges[i - 1].begin;
      RC_ASSERT(descends);
      for (std::uint64_t n = ack.ranges[i].begin; n < ack.ranges[i].end; ++n) told.insert(n);
    }
    RC_ASSERT(told == arrived);
  }));
}

// A peer's ACK frame may hold anything.
TEST(PathProperty, AnyAckIsSurvived) {
  EXPECT_TRUE(rc::check([](const std::vector<std::pair<std::uint8_t, std::uint8_t>>& ranges) {
    class Sink : public FrameSink {
     public:
      void on_frame_acked(const SentFrame&) override {}
      void on_frame_lost(const SentFrame&) override {}
    } sink;
    const Instant now{seconds(1)};
    Path path(PathId{0}, PathConfig{}, now);
    for (int i = 0; i < 100; ++i) path.on_packet_sent(now, 1200, true, PacketPurpose::kNormal, {});
    AckFrame ack;
    ack.delay_us = UINT64_MAX;
    for (const auto& [begin, end] : ranges) {
      if (ack.count == kAckRangesMax) break;
      ack.ranges[ack.count++] = {begin, end};
    }
    path.on_ack_received(ack, now + seconds(1), sink);
    RC_ASSERT(path.bytes_in_flight() <= 100u * 1200u);
  }));
}

}  // namespace
}  // namespace whimbrel
