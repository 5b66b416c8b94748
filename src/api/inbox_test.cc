#include "api/inbox.h"

#include <gtest/gtest.h>

namespace whimbrel {
namespace {

constexpr SessionId kAlice{1};
constexpr SessionId kBob{2};

class InboxTest : public testing::Test {
 protected:
  void deliver(SessionId session, ChannelId channel, std::size_t size, std::uint64_t number = 1) {
    const std::vector<std::uint8_t> bytes(size, static_cast<std::uint8_t>(number));
    ReceivedMessage message{SharedBytes::copy(bytes), channel, true, 0, number,
                            Instant(microseconds(77))};
    std::vector<DeliveredMessage> delivered;
    delivered.push_back({session, std::move(message)});
    inbox.deliver(delivered, [this](SessionId id) {
      ++asked;
      return Identity::steam_id(static_cast<std::uint64_t>(id));
    });
    EXPECT_TRUE(delivered.empty());
  }
  std::vector<Message> take(ChannelId channel, std::size_t max = 100) {
    std::vector<Message> messages(max);
    messages.resize(inbox.take(channel, messages, &report));
    return messages;
  }
  std::vector<Consumed> consumed() {
    std::vector<Consumed> out;
    inbox.take_consumed(out);
    return out;
  }

  Inbox inbox;
  int asked = 0;
  bool report = false;
};

TEST_F(InboxTest, GivesEachChannelInOrderOverAllUsers) {
  deliver(kAlice, 3, 10, 1);
  deliver(kBob, 3, 11, 1);
  deliver(kAlice, 3, 12, 2);
  deliver(kAlice, -7, 13, 1);
  EXPECT_EQ(inbox.size(), 4u);
  const auto first = take(3, 2);
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(first[0].size(), 10u);
  EXPECT_EQ(first[0].identity(), Identity::steam_id(1));
  EXPECT_EQ(first[0].channel(), 3);
  EXPECT_EQ(first[0].flags(), kSendReliable);
  EXPECT_EQ(first[0].time_received_us(), 77);
  EXPECT_EQ(first[0].user_data(), -1);
  EXPECT_EQ(first[1].identity(), Identity::steam_id(2));
  EXPECT_EQ(take(3)[0].message_number(), 2u);
  EXPECT_EQ(take(-7).size(), 1u);
  EXPECT_TRUE(take(-7).empty());
  EXPECT_TRUE(take(12345).empty());
  EXPECT_TRUE(inbox.empty());
  EXPECT_EQ(asked, 2);
}

TEST_F(InboxTest, TellsTheCoreWhatWasConsumed) {
  inbox.set_report_thresholds(100, 3);
  for (std::uint64_t i = 1; i <= 3; ++i) deliver(kAlice, 0, 10, i);
  deliver(kBob, 0, 100);
  EXPECT_EQ(take(0, 2).size(), 2u);
  EXPECT_FALSE(report);
  EXPECT_EQ(take(0, 1).size(), 1u);
  EXPECT_TRUE(report);
  const auto told = consumed();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].session, kAlice);
  EXPECT_EQ(told[0].bytes, 30u);
  EXPECT_EQ(told[0].messages, 3u);
  EXPECT_TRUE(told[0].reliable);
  EXPECT_TRUE(consumed().empty());
  take(0);
  EXPECT_TRUE(report);  // a hundred bytes at once
}

// The peer may wait for word of every single message, where others fill its share.
TEST_F(InboxTest, TellsAtOnceWhileMuchIsUnreadOnOtherChannels) {
  inbox.set_report_thresholds(1000, 4);
  deliver(kAlice, 1, 1);
  EXPECT_EQ(take(1).size(), 1u);
  EXPECT_FALSE(report);
  consumed();
  for (std::uint64_t i = 1; i <= 3; ++i) deliver(kAlice, 7, 10, i);
  deliver(kAlice, 1, 1);
  EXPECT_EQ(take(1).size(), 1u);
  EXPECT_TRUE(report);
  deliver(kBob, 1, 1);
  EXPECT_EQ(take(1).size(), 1u);
  EXPECT_FALSE(report) << "another session";
}

TEST_F(InboxTest, DropsExactlyWhatItIsAskedTo) {
  deliver(kAlice, 1, 10);
  deliver(kBob, 1, 11);
  deliver(kAlice, 2, 12);
  deliver(kAlice, 500, 13);
  inbox.drop(kAlice, 1);
  EXPECT_EQ(inbox.size(), 3u);
  EXPECT_EQ(consumed()[0].bytes, 10u);
  inbox.drop(Identity::steam_id(1));
  EXPECT_EQ(inbox.size(), 1u);
  EXPECT_EQ(take(1)[0].size(), 11u);
  EXPECT_TRUE(take(2).empty());
  EXPECT_TRUE(take(500).empty());
}

TEST_F(InboxTest, DropsAllSessionsOfAUser) {
  deliver(kAlice, 1, 10);
  const Identity user = take(1)[0].identity();
  deliver(kAlice, 1, 10);
  deliver(kAlice, 500, 11);
  deliver(kBob, 1, 12);
  inbox.drop(user);
  EXPECT_EQ(inbox.size(), 1u);
  EXPECT_EQ(take(1)[0].size(), 12u);
}

TEST_F(InboxTest, AUserWhoComesAgainLosesWhatItsOldestSessionLeft) {
  inbox.set_user_limits(1000, 4);
  std::vector<Inbox::Eviction> told;
  inbox.set_on_eviction([&](const Inbox::Eviction& what) {
    told.push_back(what);
    inbox.size_of(0);  // no lock is held
  });
  deliver(kAlice, 0, 10);
  deliver(kAlice, 500, 10);
  const auto again = [&](SessionId session, std::size_t size) {
    std::vector<DeliveredMessage> delivered;
    const std::vector<std::uint8_t> bytes(size);
    delivered.push_back({session, {SharedBytes::copy(bytes), 0, true, 0, 1, Instant()}});
    inbox.deliver(delivered, [](SessionId) { return Identity::steam_id(1); });
  };
  deliver(kBob, 0, 900);
  again(SessionId{3}, 10);
  again(SessionId{3}, 10);
  EXPECT_EQ(inbox.size(), 5u);  // at the limit
  again(SessionId{3}, 10);
  EXPECT_EQ(inbox.size(), 4u);  // one more: both of the first session went
  EXPECT_EQ(inbox.evicted(), 2u);
  again(SessionId{4}, 970);
  EXPECT_EQ(inbox.size(), 5u);  // exactly so many bytes
  again(SessionId{4}, 1);
  EXPECT_EQ(inbox.evicted(), 5u);
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0].messages, 2u);
  EXPECT_EQ(told[1].messages, 3u);
  for (const Inbox::Eviction& what : told) {
    EXPECT_EQ(what.user, Identity::steam_id(1));
    EXPECT_EQ(what.users, 1u);
  }
  const auto left = take(0);
  ASSERT_EQ(left.size(), 3u);
  EXPECT_EQ(left[0].size(), 900u);  // bob is not touched
  EXPECT_EQ(left[1].size(), 970u);
  EXPECT_TRUE(inbox.empty());
}

TEST_F(InboxTest, HoldsSoMuchOfSessionsThatAreOver) {
  std::uint64_t told = 0;
  inbox.set_on_eviction([&](const Inbox::Eviction& what) {
    told += what.messages;
    EXPECT_EQ(what.users, what.messages / 16);
    EXPECT_TRUE(what.user.valid());
  });
  // Each of another user; those with an even number stay up.
  std::uint64_t sent = 0;
  const std::uint64_t rounds = Inbox::kEndedMessagesMax / 4;
  for (std::uint64_t i = 1; i <= rounds; ++i) {
    std::vector<DeliveredMessage> delivered;
    for (int k = 0; k < 16; ++k) {
      delivered.push_back({SessionId{i}, {SharedBytes(), 300, true, 0, 1, Instant()}});
    }
    sent += delivered.size();
    bool known = false;
    inbox.deliver(delivered, [&](SessionId id) {
      const auto number = static_cast<std::uint64_t>(id);
      const bool first = number == i && !std::exchange(known, true);
      return first || number % 2 == 0 ? Identity::steam_id(number) : Identity();
    });
  }
  EXPECT_GT(inbox.evicted(), 0u);
  EXPECT_EQ(told, inbox.evicted());
  EXPECT_EQ(inbox.size(), sent - inbox.evicted());
  EXPECT_GE(inbox.size(), sent / 2);  // nothing of those that are up
  EXPECT_LE(inbox.size(), sent / 2 + Inbox::kEndedMessagesMax * 3 / 2);
}

TEST_F(InboxTest, HoldsSoManyBytesOfSessionsThatAreOver) {
  std::vector<Inbox::Eviction> told;
  inbox.set_on_eviction([&](const Inbox::Eviction& what) { told.push_back(what); });
  // One buffer for all of them: they are counted, not copied.
  constexpr std::size_t kSize = 1 << 20;
  constexpr std::uint64_t kFit = Inbox::kEndedBytesMax / kSize;
  const SharedBytes payload = SharedBytes::copy(std::vector<std::uint8_t>(kSize));
  const auto leave = [&](std::uint64_t number, SharedBytes bytes) {
    std::vector<DeliveredMessage> delivered;
    delivered.push_back({SessionId{number}, {std::move(bytes), 0, true, 0, 1, Instant()}});
    bool up = true;
    inbox.deliver(delivered, [&](SessionId id) {
      const auto asked_for = static_cast<std::uint64_t>(id);
      return asked_for == number && std::exchange(up, false) ? Identity::steam_id(number)
                                                             : Identity();
    });
  };
  for (int round = 0; round < 2; ++round) {
    told.clear();
    const std::uint64_t first = 1 + 1000u * static_cast<unsigned>(round);
    for (std::uint64_t i = 0; i < kFit; ++i) leave(first + i, payload);
    EXPECT_TRUE(told.empty()) << "at the limit";
    leave(first + kFit, SharedBytes::copy(as_bytes("x")));
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0].user, Identity::steam_id(first)) << "the oldest of them";
    EXPECT_EQ(told[0].messages, kFit / 2 + 1) << "down to half";
    EXPECT_EQ(told[0].users, kFit / 2 + 1);
    EXPECT_EQ(inbox.size(), kFit / 2);
    EXPECT_EQ(take(0).size(), kFit / 2) << "the newest are whole";
    EXPECT_TRUE(inbox.empty());
  }
}

TEST_F(InboxTest, MessagesOutliveIt) {
  Message kept;
  {
    Inbox brief;
    std::vector<DeliveredMessage> delivered;
    const std::vector<std::uint8_t> bytes = {1, 2, 3};
    delivered.push_back({kAlice, {SharedBytes::copy(bytes), 0, false, 0, 1, Instant()}});
    brief.deliver(delivered, [](SessionId) { return Identity::steam_id(1); });
    EXPECT_EQ(brief.take(0, {&kept, 1}, &report), 1u);
  }
  EXPECT_EQ(kept.payload()[2], 3);
  EXPECT_EQ(kept.flags(), kSendUnreliable);
  Message moved = std::move(kept);
  EXPECT_EQ(moved.size(), 3u);
  EXPECT_EQ(kept.size(), 0u);  // NOLINT: that is the point
}

TEST_F(InboxTest, ForgetsSessionsWithoutMessages) {
  for (std::uint64_t i = 1; i <= 3000; ++i) {
    deliver(SessionId{i}, 0, 1);
    take(0);
    consumed();
  }
  deliver(SessionId{1}, 0, 1);
  EXPECT_GT(asked, 3000);
  EXPECT_EQ(take(0)[0].identity(), Identity::steam_id(1));
}

TEST_F(InboxTest, NewsGrowWithWhatComesAndWithWhatIsLeft) {
  EXPECT_EQ(inbox.news(), 0u);
  deliver(kAlice, 7, 10);
  const std::uint64_t first = inbox.news();
  EXPECT_GT(first, 0u);
  EXPECT_TRUE(take(0).empty());
  EXPECT_EQ(inbox.news(), first) << "nothing new";
  deliver(kAlice, 0, 10, 1);
  deliver(kAlice, 0, 10, 2);
  const std::uint64_t second = inbox.news();
  EXPECT_GT(second, first);
  EXPECT_EQ(take(0, 1).size(), 1u);
  const std::uint64_t left = inbox.news();
  EXPECT_GT(left, second) << "whoever reads it wants the rest";
  EXPECT_EQ(take(0).size(), 1u);
  EXPECT_EQ(inbox.news(), left);
  EXPECT_EQ(take(7).size(), 1u);
  EXPECT_EQ(inbox.news(), 0u);
}

TEST_F(InboxTest, ShowsWhatIsReadUntilItIsTakenAndTheRestOnce) {
  EXPECT_TRUE(take(300).empty());  // read from now on
  for (const ChannelId channel : {7, 500}) {
    deliver(kAlice, channel, 10);
    EXPECT_TRUE(inbox.shows());
    inbox.note_call();
    EXPECT_FALSE(inbox.shows()) << "nobody reads it";
    deliver(kAlice, 300, 10);
    inbox.note_call();
    EXPECT_TRUE(take(1).empty());
    EXPECT_TRUE(inbox.shows());
    EXPECT_EQ(take(300).size(), 1u);
    EXPECT_FALSE(inbox.shows());
  }
  EXPECT_EQ(take(7, 0).size(), 0u);
  EXPECT_TRUE(inbox.shows()) << "read from now on";
  inbox.drop(Identity::steam_id(1));
  EXPECT_FALSE(inbox.shows());
  EXPECT_EQ(inbox.news(), 0u);
}

TEST_F(InboxTest, WhatWasNotReadForAWholeTurnIsNotShownAnyMore) {
  EXPECT_TRUE(take(2).empty());
  deliver(kAlice, 2, 10);
  inbox.end_turn();
  EXPECT_TRUE(inbox.shows()) << "it was read in that turn";
  inbox.end_turn();
  EXPECT_FALSE(inbox.shows());
  deliver(kAlice, 2, 10);
  EXPECT_TRUE(inbox.shows()) << "new";
  EXPECT_EQ(take(2, 1).size(), 1u);
  inbox.note_call();
  EXPECT_TRUE(inbox.shows()) << "it is read again";
}

// At the limit of channels that are remembered.
TEST_F(InboxTest, ChannelsBeyondTheLimitAreShownOnce) {
  for (ChannelId channel = 1000; channel < 1400; ++channel) EXPECT_TRUE(take(channel).empty());
  deliver(kAlice, 1000, 10);
  inbox.note_call();
  EXPECT_TRUE(inbox.shows());
  EXPECT_EQ(take(1000).size(), 1u);
  deliver(kAlice, 1399, 10);
  EXPECT_TRUE(inbox.shows());
  inbox.note_call();
  EXPECT_FALSE(inbox.shows());
  EXPECT_EQ(take(1399).size(), 1u);
}

}  // namespace
}  // namespace whimbrel
