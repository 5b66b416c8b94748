#include "api/callbacks.h"

#include <gtest/gtest.h>

namespace whimbrel {
namespace {

Event request(std::uint64_t id) { return SessionRequestEvent{Identity::steam_id(id)}; }

Event failure() {
  SessionFailedEvent event;
  event.info.end_reason = kEndRemoteTimeout;
  return event;
}

TEST(Callbacks, RunsWhatIsDueInOrder) {
  Callbacks callbacks;
  std::vector<std::string> calls;
  callbacks.on_request([&](const Identity& who) { calls.push_back(who.text()); });
  callbacks.on_failed(
      [&](const ConnectionInfo& info) { calls.push_back(std::to_string(info.end_reason)); });
  EXPECT_FALSE(callbacks.due());
  callbacks.post(request(1));
  callbacks.post(failure());
  EXPECT_TRUE(callbacks.due());
  EXPECT_EQ(callbacks.run(), 2u);
  EXPECT_EQ(calls, (std::vector<std::string>{"steamid:1", "4001"}));
  EXPECT_FALSE(callbacks.due());
  EXPECT_EQ(callbacks.run(), 0u);
}

TEST(Callbacks, IsNotDueForWhatNobodyWantsToHear) {
  Callbacks callbacks;
  callbacks.post(request(1));
  EXPECT_FALSE(callbacks.due());
  int calls = 0;
  callbacks.on_request([&](const Identity&) { ++calls; });
  EXPECT_TRUE(callbacks.due());
  callbacks.on_request(nullptr);
  EXPECT_FALSE(callbacks.due());
  EXPECT_EQ(callbacks.run(), 0u);
}

TEST(Callbacks, MayPostAndReplaceFromInside) {
  Callbacks callbacks;
  int calls = 0;
  callbacks.on_request([&](const Identity&) {
    ++calls;
    callbacks.post(request(2));  // for the next run
    callbacks.on_request([&](const Identity&) { calls += 10; });
  });
  callbacks.post(request(1));
  EXPECT_EQ(callbacks.run(), 1u);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(callbacks.run(), 1u);
  EXPECT_EQ(calls, 11);
}

TEST(Callbacks, KeepsNoMoreThanItsLimit) {
  Callbacks callbacks;
  std::vector<Identity> asked;
  callbacks.on_request([&](const Identity& who) { asked.push_back(who); });
  for (std::uint64_t i = 1; i <= Callbacks::kEventsMax + 1; ++i) callbacks.post(request(i));
  EXPECT_EQ(callbacks.run(), Callbacks::kEventsMax);
  EXPECT_EQ(asked.front(), Identity::steam_id(2));
}

TEST(Callbacks, AFloodOfRequestsPushesOutNoFailure) {
  Callbacks callbacks;
  std::size_t failed = 0;
  std::size_t asked = 0;
  callbacks.on_failed([&](const ConnectionInfo&) { ++failed; });
  callbacks.on_request([&](const Identity&) { ++asked; });
  callbacks.post(failure());
  for (std::uint64_t i = 1; i <= Callbacks::kEventsMax; ++i) callbacks.post(request(i));
  EXPECT_EQ(callbacks.run(), Callbacks::kEventsMax);
  EXPECT_EQ(failed, 1u);
  EXPECT_EQ(asked, Callbacks::kEventsMax - 1);
  EXPECT_FALSE(callbacks.due());
}

TEST(Callbacks, FailuresAloneAreBoundedToo) {
  Callbacks callbacks;
  callbacks.on_failed([](const ConnectionInfo&) {});
  for (std::size_t i = 0; i <= Callbacks::kEventsMax; ++i) callbacks.post(failure());
  EXPECT_EQ(callbacks.run(), Callbacks::kEventsMax);
}

TEST(Callbacks, OfStatusesOnlyTheLastIsTold) {
  Callbacks callbacks;
  ServerStatus status;
  status.text = "first";
  callbacks.post_status(status);
  EXPECT_FALSE(callbacks.due()) << "nobody asked";
  std::vector<std::string> told;
  callbacks.on_status([&](const ServerStatus& one) { told.push_back(one.text); });
  EXPECT_TRUE(callbacks.due());
  status.text = "second";
  callbacks.post_status(status);
  EXPECT_EQ(callbacks.run(), 1u);
  EXPECT_EQ(callbacks.run(), 0u);
  EXPECT_FALSE(callbacks.due());
  EXPECT_EQ(told, std::vector<std::string>{"second"});
}

TEST(Callbacks, OfAUsersPresenceOnlyTheLastIsTold) {
  Callbacks callbacks;
  const Identity alice = Identity::generic_string("alice");
  const Identity bob = Identity::generic_string("bob");
  callbacks.post_presence(alice, true);
  EXPECT_FALSE(callbacks.due()) << "nobody wants to hear of it yet";
  EXPECT_EQ(callbacks.run(), 0u);
  std::vector<std::string> calls;
  callbacks.on_presence([&](const Identity& user, bool online) {
    calls.push_back(user.text() + (online ? "+" : "-"));
  });
  EXPECT_TRUE(callbacks.due());
  callbacks.post_presence(bob, true);
  callbacks.post_presence(alice, false);
  const std::uint64_t before = callbacks.news();
  callbacks.post_presence(alice, true);
  EXPECT_GT(callbacks.news(), before);
  EXPECT_EQ(callbacks.run(), 2u);
  EXPECT_EQ(calls, (std::vector<std::string>{"str:bob+", "str:alice+"}));
  EXPECT_FALSE(callbacks.due());
  callbacks.post_presence(bob, false);
  callbacks.drop_presence(bob);
  EXPECT_FALSE(callbacks.due());
  EXPECT_EQ(callbacks.run(), 0u);
}

TEST(Callbacks, APresenceThatComesMeanwhileIsForTheNextRun) {
  Callbacks callbacks;
  int calls = 0;
  callbacks.on_presence([&](const Identity& user, bool online) {
    ++calls;
    callbacks.post_presence(user, !online);
  });
  callbacks.post_presence(Identity::steam_id(1), true);
  EXPECT_EQ(callbacks.run(), 1u);
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(callbacks.due());
}

}  // namespace
}  // namespace whimbrel
