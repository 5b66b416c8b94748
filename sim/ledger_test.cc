#include "sim/ledger.h"

#include <gtest/gtest.h>

namespace whimbrel::sim {
namespace {

constexpr NodeId kTo = 4;
constexpr SessionId kSession{9};

struct Book {
  Simulation simulation{1};
  Ledger ledger{simulation};
  std::uint32_t life = ledger.new_life(3);

  ReceivedMessage send(bool reliable, ChannelId channel = 0) {
    ReceivedMessage message;
    message.payload = ledger.make(life, kTo, channel, reliable, 100);
    message.channel = channel;
    message.reliable = reliable;
    ledger.on_taken(life, kTo, channel, reliable);
    return message;
  }
  void deliver(const ReceivedMessage& message, SessionId session = kSession) {
    ledger.on_delivered(kTo, 1, session, message);
  }
  std::size_t violations() const { return simulation.violations().size(); }
};

TEST(Ledger, ContentWhenEverythingComesOnceAndInOrder) {
  Book book;
  for (int i = 0; i < 10; ++i) book.deliver(book.send(i % 2 == 0, i % 3));
  book.ledger.demand_complete();
  EXPECT_EQ(book.violations(), 0u);
  EXPECT_EQ(book.ledger.delivered(), 10u);
}

TEST(Ledger, FindsDuplicates) {
  Book book;
  const ReceivedMessage reliable = book.send(true);
  book.deliver(reliable);
  book.deliver(reliable);
  EXPECT_EQ(book.violations(), 1u);
  const ReceivedMessage unreliable = book.send(false);
  book.deliver(unreliable);
  book.deliver(unreliable);
  EXPECT_EQ(book.violations(), 2u);
}

TEST(Ledger, FindsDisorderAndGaps) {
  Book book;
  const ReceivedMessage first = book.send(true);
  const ReceivedMessage second = book.send(true);
  book.deliver(second);
  book.deliver(first);
  EXPECT_GE(book.violations(), 1u);

  Book gap;
  const ReceivedMessage a = gap.send(true);
  gap.send(true);
  const ReceivedMessage c = gap.send(true);
  gap.deliver(a);
  gap.deliver(c);
  EXPECT_EQ(gap.violations(), 1u);
}

TEST(Ledger, FindsOtherBytesOtherChannelsAndForgeries) {
  Book book;
  ReceivedMessage message = book.send(false);
  message.payload.mutable_view()[99] ^= 1;
  book.deliver(message);
  EXPECT_EQ(book.violations(), 1u);
  message = book.send(false, 2);
  message.channel = 1;
  book.deliver(message);
  EXPECT_EQ(book.violations(), 2u);
  message.payload = SharedBytes::copy(as_bytes("junk"));
  book.deliver(message);
  EXPECT_EQ(book.violations(), 3u);
}

TEST(Ledger, MissingMessagesMustBeExplained) {
  Book book;
  book.send(true);
  book.send(false);
  EXPECT_EQ(book.ledger.missing(), 1u);
  book.simulation.run_for(seconds(1));
  book.ledger.on_break(book.life, kTo);
  EXPECT_EQ(book.ledger.missing(), 0u);
  book.simulation.run_for(seconds(1));
  book.send(true);
  EXPECT_EQ(book.ledger.missing(), 1u);
  book.ledger.demand_complete();
  EXPECT_EQ(book.violations(), 1u);
}

}  // namespace
}  // namespace whimbrel::sim
