#include <gtest/gtest.h>
#include <whimbrel/config.h>
#include <whimbrel/connection_info.h>
#include <whimbrel/identity.h>
#include <whimbrel/lobbies.h>
#include <whimbrel/networking_messages.h>
#include <whimbrel/result.h>

#include <set>

namespace whimbrel {
namespace {

// All numbers of an enum from `first` to `last`; how many have a text of their own, and no two the
// same.
template <typename Enum>
std::size_t names(Enum first, Enum last) {
  static_assert(std::is_same_v<decltype(to_string(first)), std::string_view>);
  std::set<std::string_view> seen;
  for (int i = static_cast<int>(first); i <= static_cast<int>(last); ++i) {
    const std::string_view text = to_string(static_cast<Enum>(i));
    EXPECT_FALSE(text.empty()) << i;
    if (text == "?" || text == "App") continue;
    EXPECT_TRUE(seen.insert(text).second) << text;
  }
  EXPECT_EQ(to_string(static_cast<Enum>(200)), "?");
  return seen.size();
}

TEST(Names, EachNumberHasItsOwn) {
  EXPECT_EQ(names(Result{0}, Result{100}), 8u);
  EXPECT_EQ(names(ConnectionState::kNone, ConnectionState{100}), 6u);
  EXPECT_EQ(names(ServerStatus::State::kNone, ServerStatus::State{100}), 4u);
  EXPECT_EQ(names(DebugLevel{0}, DebugLevel{100}), 4u);
  EXPECT_EQ(names(Option{0}, Option{2000}), all_options().size());
  EXPECT_EQ(names(IdentityType::kInvalid, IdentityType{100}), 8u);
  EXPECT_EQ(names(LobbyKind::kPublic, LobbyKind{100}), 3u);
  EXPECT_EQ(names(LobbyResult::kOk, LobbyResult{100}), 13u);
  EXPECT_EQ(names(LobbyLeaveWhy::kLeft, LobbyLeaveWhy{100}), 3u);
  EXPECT_EQ(names(LobbyFilter::Compare::kTextEqual, LobbyFilter::Compare{100}), 8u);
  EXPECT_EQ(names(LobbyEvent::Kind::kMemberJoined, LobbyEvent::Kind{100}), 8u);
  EXPECT_EQ(names(kEndNone, static_cast<EndReason>(6000)), 16u);
}

TEST(Names, ReadAsTheNamesInTheHeaders) {
  EXPECT_EQ(to_string(ServerStatus::State::kRefused), "Refused");
  EXPECT_EQ(to_string(LobbyEvent::Kind::kMemberDataChanged), "MemberDataChanged");
  EXPECT_EQ(to_string(LobbyLeaveWhy::kDisconnected), "Disconnected");
  EXPECT_EQ(to_string(LobbyResult::kOffline), "not connected to the server");
  EXPECT_EQ(to_string(kEndRemoteTimeout), "RemoteTimeout");
  EXPECT_EQ(to_string(kEndMiscRendezvous), "MiscUserNotFound");
  EXPECT_EQ(to_string(Option::kNagleTime), "NagleTime");
}

TEST(Names, EndReasonsOfTheApplication) {
  ConnectionInfo info;
  EXPECT_EQ(info.end_reason_text(), "None");
  for (const int own : {1003, 1999, 2001, 2999}) {
    info.end_reason = own;
    EXPECT_EQ(info.end_reason_text(), "App") << own;
  }
  for (const int nothing : {-1, 1, 999, 3000, 4000, 1 << 30}) {
    info.end_reason = nothing;
    EXPECT_EQ(info.end_reason_text(), "?") << nothing;
  }
}

}  // namespace
}  // namespace whimbrel
