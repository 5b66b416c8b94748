// Two Channels under arbitrary loss, reordering, repetition, spurious loss and slow reading, beside
// a naive model of what each stream byte has been through.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <deque>
#include <map>

#include "base/random.h"
#include "message/channels.h"
#include "message/test_link.h"

namespace whimbrel {
namespace {

constexpr std::size_t kFragmentSize = 1100;

// What was sent on one channel, and how far the receiver got.
struct ChannelModel {
  std::vector<SharedBytes> ordered, unordered, unreliable;
  std::size_t ordered_received = 0;
  std::vector<bool> unordered_received, unreliable_received;
  // Per byte of the stream.
  std::vector<bool> is_payload, sent, acked;
  std::vector<std::uint64_t> ends;  // of the stream's messages
  std::size_t released = 0;
};

class World {
 public:
  World(std::uint64_t seed, const MessageLimits& limits)
      : random_(seed), limits_(limits), a_(limits), b_(limits) {
    TestLink::grant(a_, b_);
    TestLink::grant(b_, a_);
  }

  void act() {
    switch (random_.below(8)) {
      case 0:
        return send();
      case 1:
      case 2:
        return fly();
      case 3:
      case 4:
        return land();
      case 5:
        return lose();
      case 6:
        return consume(random_.below(4));
      default:
        return answer();
    }
  }

  // No more loss: all that is reliable must arrive.
  void settle() {
    for (int i = 0; i < 200000; ++i) {
      while (!flying_.empty()) land();
      consume(1000000);
      const bool idle = !a_.has_frames() && !b_.has_frames();
      answer();
      fly();
      if (idle && flying_.empty()) break;
    }
    RC_ASSERT(a_.flushed());
    RC_ASSERT(a_.held_bytes() == 0u);
    RC_ASSERT(a_.unacknowledged_reliable() == 0u);
    RC_ASSERT((a_.pending_reliable() == 0u && a_.pending_unreliable() == 0u));
    for (const auto& [id, channel] : channels_) {
      RC_ASSERT(channel.ordered_received == channel.ordered.size());
      for (const bool received : channel.unordered_received) RC_ASSERT(received);
    }
  }

  void check() {
    std::uint64_t unacked = 0;
    std::uint64_t pending = 0;
    for (auto& [id, c] : channels_) {
      for (std::size_t i = 0; i < c.is_payload.size(); ++i) {
        if (!c.is_payload[i] || c.acked[i]) continue;
        ++(c.sent[i] ? unacked : pending);
      }
    }
    if (!any_unordered_) {
      RC_ASSERT(a_.unacknowledged_reliable() == unacked);
      RC_ASSERT(a_.pending_reliable() == pending);
      RC_ASSERT(a_.held_bytes() == ordered_held() + a_unreliable_held_);
    }
    RC_ASSERT(b_.receive_held() <= std::max(limits_.receive_bytes_max, kReceiveBytesMin));
    RC_ASSERT(unconsumed_bytes_ <= b_.receive_held());
    RC_ASSERT(waiting_.size() <= limits_.receive_messages_max);
  }

 private:
  struct Packet {
    TestPacket packet;
    bool repeatable = true;  // nothing in it that a session would take only once
    bool received = false;
    bool lost = false;
  };

  std::size_t random_size() {
    switch (random_.below(6)) {
      case 0:
        return 0;
      case 1:
        return random_.below(70);
      case 2:
        return 16380 + random_.below(10);
      case 3:
        return random_.chance(0.2) ? 30000 + random_.below(60000) : random_.below(9000);
      default:
        return random_.below(2000);
    }
  }

  void send() {
    const ChannelId ids[] = {0, 1, -1, 70000, -2147483647 - 1};
    const ChannelId id = ids[random_.below(5)];
    const std::size_t size = random_size();
    const SharedBytes payload = test_payload(size, random_.next());
    ChannelModel& channel = channels_[id];
    const std::uint64_t pending_unreliable = a_.pending_unreliable();
    if (random_.chance(0.7)) {
      a_.send(id, Delivery::kReliable, payload, kFragmentSize);
      push_ordered(channel, payload);
      return;
    }
    a_.send(id, Delivery::kUnreliable, payload, kFragmentSize);
    const bool reliable = size > 0 && a_.pending_unreliable() == pending_unreliable;
    any_unordered_ = any_unordered_ || reliable;
    (reliable ? channel.unordered : channel.unreliable).push_back(payload);
    (reliable ? channel.unordered_received : channel.unreliable_received).push_back(false);
    if (!reliable) a_unreliable_held_ += send_charge(size);
  }

  static void push_ordered(ChannelModel& channel, const SharedBytes& payload) {
    channel.ordered.push_back(payload);
    channel.is_payload.insert(channel.is_payload.end(), varint_size(payload.size()), false);
    channel.is_payload.insert(channel.is_payload.end(), payload.size(), true);
    channel.ends.push_back(channel.is_payload.size());
    channel.sent.resize(channel.is_payload.size());
    channel.acked.resize(channel.is_payload.size());
  }

  std::uint64_t ordered_held() {
    std::uint64_t held = 0;
    for (auto& [id, c] : channels_) {
      const std::uint64_t acked = static_cast<std::uint64_t>(
          std::find(c.acked.begin(), c.acked.end(), false) - c.acked.begin());
      while (c.released < c.ends.size() && c.ends[c.released] <= acked) ++c.released;
      for (std::size_t i = c.released; i < c.ordered.size(); ++i)
        held += send_charge(c.ordered[i].size());
    }
    return held;
  }

  void note_sent(const TestPacket& packet) {
    ByteReader in(packet.bytes);
    while (!in.empty()) {
      const auto type = static_cast<FrameType>(in.u8());
      if (type == FrameType::kStream || type == FrameType::kStreamToEnd) {
        StreamFrame frame;
        RC_ASSERT(read_stream(in, type, frame));
        note_stream(frame);
      } else if (type == FrameType::kMessage || type == FrameType::kMessageToEnd) {
        MessageFrame frame;
        RC_ASSERT(read_message(in, type, frame));
        a_unreliable_held_ -= send_charge(frame.bytes.size());
        RC_ASSERT(equal(channels_[frame.channel].unreliable[frame.sequence], frame.bytes));
      } else if (type == FrameType::kFragment || type == FrameType::kReliableFragment) {
        FragmentFrame frame;
        RC_ASSERT(read_fragment(in, type, frame));
        const bool last = frame.offset + frame.bytes.size() == frame.total;
        if (!frame.reliable && last) a_unreliable_held_ -= frame.total;
      } else if (type != FrameType::kPadding) {
        RC_FAIL("a frame that was not expected");
      }
    }
  }

  void note_stream(const StreamFrame& frame) {
    ChannelModel& channel = channels_[frame.channel];
    RC_ASSERT(frame.offset + frame.bytes.size() <= channel.sent.size());
    for (std::size_t i = 0; i < frame.bytes.size(); ++i) channel.sent[frame.offset + i] = true;
  }

  void note_acked(const TestPacket& packet) {
    ByteReader in(packet.bytes);
    while (!in.empty()) {
      const auto type = static_cast<FrameType>(in.u8());
      StreamFrame stream;
      MessageFrame message;
      FragmentFrame fragment;
      if (type == FrameType::kStream || type == FrameType::kStreamToEnd) {
        read_stream(in, type, stream);
        auto& acked = channels_[stream.channel].acked;
        for (std::size_t i = 0; i < stream.bytes.size(); ++i) acked[stream.offset + i] = true;
      } else if (type == FrameType::kMessage || type == FrameType::kMessageToEnd) {
        read_message(in, type, message);
      } else if (type != FrameType::kPadding) {
        read_fragment(in, type, fragment);
      }
    }
  }

  void fly() {
    const bool has = a_.has_frames();
    const std::size_t size = 200 + random_.below(1300);
    Packet packet{TestLink::produce(a_, size)};
    RC_ASSERT(has == !packet.packet.bytes.empty());
    if (packet.packet.bytes.empty()) return;
    note_sent(packet.packet);
    for (const SentFrame& frame : packet.packet.records) {
      if (frame.type == FrameType::kMessage || frame.type == FrameType::kFragment) {
        packet.repeatable = false;
      }
    }
    flying_.push_back(std::move(packet));
  }

  // Any packet in flight arrives; it may stay in flight and arrive again.
  void land() {
    if (flying_.empty()) return;
    const std::size_t i = random_.below(flying_.size());
    Packet& packet = flying_[i];
    std::vector<ReceivedMessage> out;
    if (packet.repeatable || !packet.received) {
      RC_ASSERT(receive_packet(b_, packet.packet.bytes, Instant{}, out) == FrameVerdict::kTaken);
    }
    packet.received = true;
    for (ReceivedMessage& message : out) take(message);
    if (random_.chance(0.2)) return;
    TestLink::acknowledge(a_, packet.packet);
    note_acked(packet.packet);
    flying_.erase(flying_.begin() + static_cast<std::ptrdiff_t>(i));
  }

  // Lost for the sender; half of the time it was only late.
  void lose() {
    if (flying_.empty()) return;
    const std::size_t i = random_.below(flying_.size());
    if (!flying_[i].lost) TestLink::lose(a_, flying_[i].packet);
    flying_[i].lost = true;
    if (random_.chance(0.5)) flying_.erase(flying_.begin() + static_cast<std::ptrdiff_t>(i));
  }

  void take(ReceivedMessage& message) {
    ChannelModel& channel = channels_[message.channel];
    if (!message.reliable) {
      const std::size_t i = message.number - 1;
      RC_ASSERT((i < channel.unreliable.size() && !channel.unreliable_received[i]));
      channel.unreliable_received[i] = true;
      RC_ASSERT(equal(message.payload, channel.unreliable[i]));
    } else if (channel.ordered_received < channel.ordered.size() &&
               message.number == channel.ordered_received + 1 &&
               equal(message.payload, channel.ordered[channel.ordered_received])) {
      ++channel.ordered_received;
    } else {
      const std::size_t i = message.number - 1;
      RC_ASSERT((i < channel.unordered.size() && !channel.unordered_received[i]));
      channel.unordered_received[i] = true;
      RC_ASSERT(equal(message.payload, channel.unordered[i]));
    }
    unconsumed_bytes_ += message.payload.size();
    waiting_.push_back(std::move(message));
  }

  void consume(std::size_t count) {
    for (; count > 0 && !waiting_.empty(); --count) {
      const std::size_t i = random_.below(waiting_.size());
      const ReceivedMessage message = waiting_[i];
      waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
      b_.on_consumed(message.place, message.reliable, message.payload.size(), 1);
      unconsumed_bytes_ -= message.payload.size();
    }
  }

  // Credit from b to a, sometimes lost and then sent again.
  void answer() {
    const TestPacket packet = TestLink::produce(b_);
    if (packet.bytes.empty()) return;
    if (random_.chance(0.3)) return TestLink::lose(b_, packet);
    std::vector<ReceivedMessage> out;
    RC_ASSERT(receive_packet(a_, packet.bytes, Instant{}, out) == FrameVerdict::kTaken);
    TestLink::acknowledge(b_, packet);
  }

  FastRandom random_;
  MessageLimits limits_;
  Channels a_, b_;
  std::map<ChannelId, ChannelModel> channels_;
  std::deque<Packet> flying_;
  std::deque<ReceivedMessage> waiting_;
  std::uint64_t a_unreliable_held_ = 0;
  std::uint64_t unconsumed_bytes_ = 0;
  bool any_unordered_ = false;
};

RC_GTEST_PROP(ChannelsProperty, ReliableIsExactlyOnceAndInOrder, (std::uint64_t seed)) {
  MessageLimits limits;
  limits.receive_bytes_max = *rc::gen::element<std::uint64_t>(0, 1 << 20);
  limits.receive_messages_max = *rc::gen::element<std::uint64_t>(1, 3, 20, 1000);
  World world(seed, limits);
  const int steps = *rc::gen::inRange(1, 300);
  for (int i = 0; i < steps; ++i) {
    world.act();
    if (i % 32 == 0) world.check();
  }
  world.settle();
}

// Channels of which some are never read. Their messages and those of the others come in any order
// and size, lost now and then; on a channel that is read all must arrive.
class Readers {
 public:
  Readers(std::uint64_t seed, std::size_t channels, std::size_t unread)
      : random_(seed), unread_(unread), sent_(channels), read_(channels) {}

  void send(std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) {
      const std::size_t channel = random_.below(sent_.size());
      const bool is_large = random_.chance(0.02);
      const std::size_t size = is_large ? 4000 + random_.below(36000) : random_.below(300);
      const Delivery delivery =
          size > 0 && random_.chance(0.2) ? Delivery::kReliableUnordered : Delivery::kReliable;
      // No larger than what is left beside so many that are not read.
      link_.a.send(static_cast<ChannelId>(channel), delivery,
                   test_payload(is_large ? size / (1 + unread_) : size, i), kFragmentSize);
      ++sent_[channel];
    }
  }
  // Until nothing moves. A reader comes by now and then.
  void run() {
    for (int idle = 0; idle < 3;) {
      const bool there = carry(link_.a, link_.b);
      const bool moved = carry(link_.b, link_.a) || there;
      if (!moved || random_.chance(0.2)) read(moved ? random_.below(20) : SIZE_MAX);
      idle = moved ? 0 : idle + 1;
    }
  }
  void check() const {
    for (std::size_t channel = unread_; channel < sent_.size(); ++channel) {
      RC_ASSERT(read_[channel] == sent_[channel]);
    }
  }

 private:
  bool carry(Channels& from, Channels& to) {
    const TestPacket packet = TestLink::produce(from);
    if (packet.bytes.empty()) return false;
    if (random_.chance(0.1)) {
      TestLink::lose(from, packet);
      return true;
    }
    std::vector<ReceivedMessage> out;
    RC_ASSERT(receive_packet(to, packet.bytes, Instant{}, out) == FrameVerdict::kTaken);
    TestLink::acknowledge(from, packet);
    for (ReceivedMessage& message : out) {
      if (static_cast<std::size_t>(message.channel) >= unread_) waiting_.push_back(message);
    }
    return true;
  }
  void read(std::size_t count) {
    for (; count > 0 && !waiting_.empty(); --count) {
      const ReceivedMessage message = waiting_.front();
      waiting_.pop_front();
      link_.b.on_consumed(message.place, true, message.payload.size(), 1);
      ++read_[static_cast<std::size_t>(message.channel)];
    }
  }

  FastRandom random_;
  std::size_t unread_;  // channels 0 to this
  TestLink link_;
  std::vector<std::size_t> sent_, read_;
  std::deque<ReceivedMessage> waiting_;
};

RC_GTEST_PROP(ChannelsProperty, AChannelThatIsNotReadStopsNoOther, (std::uint64_t seed)) {
  const std::size_t unread = *rc::gen::inRange<std::size_t>(0, 9);
  const std::size_t channels = unread + *rc::gen::inRange<std::size_t>(1, 9);
  Readers readers(seed, channels, unread);
  const std::size_t rounds = *rc::gen::inRange<std::size_t>(1, 6);
  for (std::size_t i = 0; i < rounds; ++i) {
    readers.send(*rc::gen::inRange<std::size_t>(1, 1500));
    readers.run();
    readers.check();
  }
}

}  // namespace
}  // namespace whimbrel
