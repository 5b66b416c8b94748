#include <gtest/gtest.h>

#include "message/fragment_writer.h"
#include "message/test_link.h"
#include "message/unordered_queue.h"
#include "message/unreliable_queue.h"

namespace whimbrel {
namespace {

constexpr std::size_t kFragmentSize = 1000;

struct Frames {
  std::vector<MessageFrame> whole;
  std::vector<FragmentFrame> fragments;
};

Frames parse(Bytes packet) {
  Frames frames;
  ByteReader in(packet);
  while (!in.empty()) {
    const auto type = static_cast<FrameType>(in.u8());
    if (type == FrameType::kMessage || type == FrameType::kMessageToEnd) {
      EXPECT_TRUE(read_message(in, type, frames.whole.emplace_back()));
    } else if (type == FrameType::kFragment || type == FrameType::kReliableFragment) {
      EXPECT_TRUE(read_fragment(in, type, frames.fragments.emplace_back()));
    } else {
      EXPECT_EQ(type, FrameType::kPadding);
    }
  }
  return frames;
}

struct Writer {
  explicit Writer(std::size_t size) : bytes(size), out(bytes) {}
  Frames frames() { return parse(out.written()); }

  std::vector<std::uint8_t> bytes;
  ByteWriter out;
  std::vector<SentFrame> records;
};

TEST(FragmentWriter, CapacityIsExact) {
  const SharedBytes message = test_payload(40000, 1);
  for (const std::size_t room : {0, 5, 8, 9, 10, 70, 71, 72, 73, 74, 500, 16390, 16400, 16410}) {
    FragmentFrame frame{true, 5, 3, 100, 40000, {}};
    const std::size_t size = fragment_capacity(room, frame);
    if (size == 0) continue;
    frame.bytes = message.view().subspan(100, size);
    Writer w(room);
    write_fragment(w.out, frame);
    EXPECT_LE(w.out.remaining(), size == 63 ? 1u : size == 16383 ? 2u : 0u) << room;
    const Frames frames = w.frames();
    ASSERT_EQ(frames.fragments.size(), 1u);
    EXPECT_TRUE(equal(frames.fragments[0].bytes, frame.bytes));
  }
}

TEST(UnreliableQueue, ManySmallMessagesMakeOneRecord) {
  UnreliableQueue queue(4, 2);
  for (int i = 0; i < 5; ++i) queue.push(test_payload(64, 1), kFragmentSize);
  Writer w(1000);
  const auto written = queue.write(w.out, true, w.records);
  EXPECT_EQ(written.bytes, 320u);
  EXPECT_EQ(written.released, 320u);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(w.frames().whole.size(), 5u);
  ASSERT_EQ(w.records.size(), 1u);
  EXPECT_EQ(w.records[0].length, 5u);
  EXPECT_EQ(w.records[0].slot, 2u);
}

TEST(UnreliableQueue, WholeMessagesWaitForAFreshPacket) {
  UnreliableQueue queue(0, 0);
  queue.push(test_payload(900, 1), kFragmentSize);
  queue.push(test_payload(900, 2), kFragmentSize);
  Writer first(1000);
  EXPECT_EQ(queue.write(first.out, true, first.records).bytes, 900u);
  Writer rest(800);
  EXPECT_EQ(queue.write(rest.out, false, rest.records).bytes, 0u);
  EXPECT_EQ(rest.out.size(), 0u);
  Writer second(1000);
  EXPECT_EQ(queue.write(second.out, true, second.records).bytes, 900u);
  EXPECT_EQ(second.frames().whole[0].sequence, 1u);
}

TEST(UnreliableQueue, APacketThatIsTooSmallCuts) {
  UnreliableQueue queue(0, 0);
  queue.push(test_payload(900, 1), kFragmentSize);
  Writer first(500);
  const auto written = queue.write(first.out, true, first.records);
  EXPECT_EQ(written.released, 0u);
  EXPECT_GT(written.bytes, 480u);
  Writer second(500);
  EXPECT_EQ(queue.write(second.out, true, second.records).released, 900u);
  EXPECT_EQ(first.frames().fragments[0].total, 900u);
  EXPECT_EQ(second.frames().fragments[0].offset, written.bytes);
}

TEST(UnreliableQueue, CutsNothingWhereOnlyWholeMessagesMayLeave) {
  UnreliableQueue queue(0, 0);
  queue.push(test_payload(500, 1), kFragmentSize);
  queue.push(test_payload(3000, 2), kFragmentSize);
  Writer capped(900);
  EXPECT_EQ(queue.write(capped.out, true, capped.records, true).bytes, 500u);
  EXPECT_EQ(capped.frames().whole.size(), 1u);
  EXPECT_TRUE(capped.frames().fragments.empty());
  Writer begun(900);
  EXPECT_GT(queue.write(begun.out, true, begun.records).bytes, 0u);
  Writer again(900);
  EXPECT_EQ(queue.write(again.out, true, again.records, true).bytes, 0u) << "nor cut further";
  EXPECT_EQ(again.out.size(), 0u);
}

TEST(UnreliableQueue, DropsWhatIsOld) {
  UnreliableQueue queue(0, 0);
  for (int ms = 0; ms < 5; ++ms) {
    queue.push(test_payload(1500, 1), kFragmentSize, Instant(milliseconds(ms)));
  }
  Writer begun(1000);
  const std::uint64_t sent = queue.write(begun.out, true, begun.records).bytes;
  EXPECT_EQ(queue.drop_until(Instant(milliseconds(-1))).messages, 0u);
  const auto dropped = queue.drop_until(Instant(milliseconds(2)));
  EXPECT_EQ(dropped.messages, 3u);
  EXPECT_EQ(dropped.bytes, 4500 - sent) << "the one that had begun, too";
  EXPECT_EQ(dropped.released, 4500u);
  EXPECT_EQ(queue.pending_bytes(), 3000u);
  EXPECT_EQ(queue.oldest(), Instant(milliseconds(3)));
  Writer next(2000);
  queue.write(next.out, true, next.records);
  EXPECT_EQ(next.frames().whole[0].sequence, 3u) << "the numbers of the others are left out";
}

TEST(UnreliableQueue, ALargeMessageStartsWhereThereIsSomeRoom) {
  UnreliableQueue queue(0, 0);
  queue.push(test_payload(3000, 1), kFragmentSize);
  Writer little(500);
  EXPECT_EQ(queue.write(little.out, false, little.records).bytes, 0u);
  Writer more(700);
  EXPECT_GT(queue.write(more.out, false, more.records).bytes, 600u);
}

TEST(UnreliableQueue, SizesAroundThePacket) {
  for (std::size_t size = 980; size <= 1000; ++size) {
    UnreliableQueue queue(0, 0);
    queue.push(test_payload(size, 1), kFragmentSize);
    std::uint64_t released = 0;
    std::size_t packets = 0;
    for (; !queue.empty(); ++packets) {
      Writer w(1000);
      released += queue.write(w.out, true, w.records).released;
    }
    EXPECT_EQ(released, size);
    EXPECT_EQ(packets, size <= 997 ? 1u : 2u) << size;
  }
}

TEST(UnreliableQueue, Drop) {
  UnreliableQueue queue(0, 0);
  queue.push(test_payload(3000, 1), kFragmentSize);
  queue.push(test_payload(10, 1), kFragmentSize);
  Writer w(1000);
  const auto written = queue.write(w.out, true, w.records);
  const auto dropped = queue.drop();
  EXPECT_EQ(dropped.bytes, 3010 - written.bytes);
  EXPECT_EQ(dropped.released, 3010u);
  EXPECT_TRUE(queue.empty());
  queue.push(test_payload(10, 1), kFragmentSize);
  Writer next(1000);
  queue.write(next.out, true, next.records);
  EXPECT_EQ(next.frames().whole[0].sequence, 2u);
}

struct UnorderedSender {
  UnorderedSender() : queue(0, 3) { session.raise(1 << 20, 100); }
  Writer write(std::size_t size) {
    Writer w(size);
    if (queue.has_lost()) {
      queue.write_lost(w.out, w.records);
    } else if (queue.has_new()) {
      queue.write_new(w.out, credit(), w.records);
    }
    return w;
  }
  LaneCredit credit() { return {session, channel, 0}; }

  UnorderedQueue queue;
  SendCredit session;
  ChannelCredit channel{1 << 20, 100, 0, 0};
};

TEST(UnorderedQueue, EveryFragmentLeavesUntilAcknowledged) {
  UnorderedSender s;
  s.queue.push(test_payload(2500, 1));
  s.queue.push(test_payload(100, 2));
  const Writer a = s.write(1000);
  const Writer b = s.write(1000);
  const Writer c = s.write(1000);
  EXPECT_FALSE(s.queue.has_new());
  ASSERT_EQ(c.records.size(), 2u);
  EXPECT_EQ(c.records[1].offset, 1u);
  EXPECT_EQ(s.queue.on_acked(a.records[0]).released_bytes, 0u);
  EXPECT_EQ(s.queue.on_acked(a.records[0]).acked_bytes, 0u);
  s.queue.on_lost(b.records[0]);
  s.queue.on_lost(a.records[0]);  // acknowledged: nothing to do
  // Smaller packets now: the piece is cut.
  const Writer again = s.write(600);
  EXPECT_EQ(again.records[0].extra, b.records[0].extra);
  EXPECT_TRUE(s.queue.has_lost());
  const Writer rest = s.write(600);
  EXPECT_EQ(again.records[0].length + rest.records[0].length, b.records[0].length);
  EXPECT_FALSE(s.queue.has_lost());
  EXPECT_EQ(s.queue.on_acked(c.records[1]).released_bytes, 100u);
  s.queue.on_acked(c.records[0]);
  s.queue.on_acked(again.records[0]);
  const auto last = s.queue.on_acked(rest.records[0]);
  EXPECT_EQ(last.released_bytes, 2500u);
  EXPECT_EQ(last.messages, 1u);
  EXPECT_EQ(s.queue.on_acked(b.records[0]).acked_bytes, 0u);  // it was only late
}

TEST(UnorderedQueue, AnAcknowledgementMakesResendingNeedless) {
  UnorderedSender s;
  s.queue.push(test_payload(2500, 1));
  const Writer a = s.write(1000);
  s.queue.on_lost(a.records[0]);
  s.queue.on_acked(a.records[0]);
  EXPECT_EQ(s.write(1000).out.size(), 0u);
  EXPECT_FALSE(s.queue.has_lost());
}

TEST(UnorderedQueue, WaitsForCreditOfWholeMessages) {
  UnorderedSender s;
  s.session = SendCredit();
  s.session.raise(2499, 100);
  s.queue.push(test_payload(2500, 1));
  EXPECT_FALSE(s.queue.is_allowed(s.credit()));
  EXPECT_EQ(s.write(1000).out.size(), 0u);
  s.session.raise(2500, 100);
  EXPECT_TRUE(s.queue.is_allowed(s.credit()));
  s.write(1000);
  EXPECT_TRUE(s.queue.is_allowed(s.credit()));  // it has begun
}

}  // namespace
}  // namespace whimbrel
