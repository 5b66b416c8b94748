// Which packets leave together: all of a batch have the size of the first, and only the last may be
// shorter, as UDP_SEGMENT wants it.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "endpoint/endpoint.h"

namespace whimbrel {
namespace {

struct Batch {
  std::size_t size = 0, segment = 0;
  std::size_t packets() const { return (size + segment - 1) / segment; }
};

// Two endpoints joined without delay; what leaves `a` is noted batch by batch.
class Batches : public testing::Test {
 protected:
  Batches() : a_(make("str:a")), b_(make("str:b")), buffer_(65536) {
    a_->set_route(b_->identity(), address(2), b_->public_key());
    EXPECT_EQ(send(10, kSendReliable), Result::kOk);
    for (int i = 0; i < 1000; ++i) step();  // connected, and the datagram size found
    EXPECT_EQ(got_.size(), 1u);
    got_.clear();
    batches_.clear();
  }

  static IpAddress address(std::uint8_t last) { return IpAddress::v4(10, 0, 0, last, 1000); }
  std::unique_ptr<Endpoint> make(std::string_view name) {
    EndpointConfig config;
    config.identity = *Identity::parse(name);
    config.keys = generate_x25519(random_);
    return std::make_unique<Endpoint>(std::move(config), random_, now_, clock_);
  }
  Result send(std::size_t size, int flags, ChannelId channel = 0) {
    return a_->send(b_->identity(), SharedBytes::copy(as_bytes(std::string(size, 'x'))), flags,
                    channel, now_);
  }
  void carry(Endpoint& from, Endpoint& to, const IpAddress& source) {
    while (const auto out = from.poll_transmit(buffer_, now_)) {
      if (&from == a_.get()) batches_.push_back({out->size, out->segment_size});
      for (std::size_t at = 0; at < out->size; at += out->segment_size)
        to.receive(source,
                   MutableBytes(buffer_).subspan(at, std::min(out->segment_size, out->size - at)),
                   now_);
    }
  }
  void step() {
    carry(*a_, *b_, address(1));
    carry(*b_, *a_, address(2));
    while (auto event = b_->poll_event())
      if (auto* request = std::get_if<SessionRequestEvent>(&*event))
        b_->accept(request->identity, now_);
    std::vector<DeliveredMessage> messages;
    b_->take_messages(messages);
    for (const auto& m : messages) {
      got_.push_back(m.message.payload.size());
      b_->consumed(m.session, m.message.place, m.message.reliable, got_.back(), 1, now_);
    }
    now_ += milliseconds(5);
    a_->advance(now_);
    b_->advance(now_);
  }
  // The packets of all batches that carry as much as `size` and more.
  std::size_t packets_of(std::size_t size) const {
    std::size_t count = 0;
    for (const Batch& batch : batches_)
      if (batch.segment > size) count += batch.packets();
    return count;
  }

  Instant now_{};
  const WallClock clock_{now_, 1'800'000'000'000};
  FastRandom random_{1};
  std::unique_ptr<Endpoint> a_, b_;
  std::vector<std::uint8_t> buffer_;
  std::vector<Batch> batches_;
  std::vector<std::size_t> got_;
};

TEST_F(Batches, EqualMessagesBelowAFullPacketLeaveTogether) {
  for (int i = 0; i < 6; ++i) send(900, kSendUnreliable);
  carry(*a_, *b_, address(1));
  ASSERT_EQ(batches_.size(), 1u);
  EXPECT_EQ(batches_[0].packets(), 6u);
  EXPECT_LT(batches_[0].segment, 950u);
  step();
  EXPECT_EQ(got_, std::vector<std::size_t>(6, 900));
}

TEST_F(Batches, AShorterMessageEndsIt) {
  for (const std::size_t size : {900, 900, 700, 900, 900}) send(size, kSendUnreliable);
  carry(*a_, *b_, address(1));
  ASSERT_EQ(batches_.size(), 2u);
  EXPECT_EQ(batches_[0].packets(), 3u);
  EXPECT_LT(batches_[0].size, 3 * batches_[0].segment);
  EXPECT_EQ(batches_[1].packets(), 2u);
  step();
  EXPECT_EQ(got_.size(), 5u);
}

TEST_F(Batches, ALittleShorterIsPadded) {
  for (const std::size_t size : {900, 880, 890, 900}) send(size, kSendUnreliable);
  carry(*a_, *b_, address(1));
  ASSERT_EQ(batches_.size(), 1u);
  EXPECT_EQ(batches_[0].packets(), 4u);
  step();
  EXPECT_EQ(got_, (std::vector<std::size_t>{900, 880, 890, 900}));
}

// A longer one starts a batch of its own; it must not be cut because the first was smaller.
TEST_F(Batches, ALongerMessageIsNotCut) {
  for (const std::size_t size : {800, 1000, 1000}) send(size, kSendUnreliable);
  carry(*a_, *b_, address(1));
  ASSERT_EQ(batches_.size(), 2u);
  EXPECT_EQ(batches_[0].packets(), 1u);
  EXPECT_EQ(batches_[1].packets(), 2u);
  EXPECT_EQ(packets_of(700), 3u);
  step();
  EXPECT_EQ(got_, (std::vector<std::size_t>{800, 1000, 1000}));
}

// Messages of several packets, cut anyway, still fill theirs.
TEST_F(Batches, FragmentsFillTheirPackets) {
  send(800, kSendUnreliable);
  send(20000, kSendUnreliable, 1);
  send(800, kSendUnreliable, 2);
  for (int i = 0; i < 20; ++i) step();
  EXPECT_EQ(got_.size(), 3u);
  std::size_t largest = 0, packets = 0;
  for (const Batch& batch : batches_) {
    largest = std::max(largest, batch.segment);
    packets += batch.packets();
  }
  EXPECT_GE(largest, kDatagramSizeMin);
  EXPECT_LE(packets, 21600 / (kDatagramSizeMin - 80) + 4);
}

TEST_F(Batches, ReliableDataFillsPacketsAsBefore) {
  for (int i = 0; i < 10; ++i) send(900, kSendReliable);
  carry(*a_, *b_, address(1));
  ASSERT_FALSE(batches_.empty());
  EXPECT_GE(batches_[0].segment, kDatagramSizeMin);
  for (int i = 0; i < 20; ++i) step();
  EXPECT_EQ(got_.size(), 10u);
}

}  // namespace
}  // namespace whimbrel
