#include "rendezvous/lobby_messages.h"

#include <gtest/gtest.h>

namespace whimbrel::rendezvous {
namespace {

constexpr LobbyId kLobby{0x0102030405060708};
const LobbyStanding kStanding{"str:alice", 1'800'000'000'000, 5, {{7}, {8}}};

std::vector<LobbyRequest> requests() {
  return {LobbyCreate{1, LobbyKind::kInvisible, 250},
          LobbyList{2,
                    {{"map", LobbyFilter::Compare::kTextEqual, "dust", 0},
                     {"level", LobbyFilter::Compare::kGreaterOrEqual, "", -5}},
                    1,
                    50},
          LobbyJoin{3, kLobby},
          LobbyLeave{4, kLobby},
          LobbySetData{5, kLobby, true, false, {"k", "v"}},
          LobbyChat{6, kLobby, {1, 2, 3}},
          LobbyKick{7, kLobby, "str:bob"},
          LobbySetOwner{8, kLobby, "str:bob"},
          LobbyConfigure{9, kLobby, LobbyKind::kPrivate, 4, false},
          LobbyRestore{10,
                       kLobby,
                       kStanding,
                       {1, 2},
                       LobbyKind::kPublic,
                       4,
                       true,
                       {{"map", "dust"}},
                       {{"ready", "1"}}},
          LobbyReport{11, kLobby, "str:alice"}};
}
std::vector<LobbyNotice> notices() {
  return {LobbyAnswer{1, LobbyResult::kNotOwner, "only the owner may"},
          LobbyEntered{2,
                       kLobby,
                       LobbyKind::kPublic,
                       4,
                       true,
                       "str:alice",
                       {{"str:alice", {{"ready", "1"}}}, {"str:bob", {}}},
                       {{"map", "dust"}}},
          LobbyListed{3, {{kLobby, 1, 4, {{"map", "dust"}}}, {LobbyId{9}, 250, 250, {}}}},
          LobbyMemberships{{{kLobby}, {LobbyId{1}}}},
          LobbyMemberJoined{kLobby, "str:bob"},
          LobbyMemberLeft{kLobby, "str:bob", LobbyLeaveWhy::kDisconnected},
          LobbyDataChanged{kLobby, "", true, {"k", ""}},
          LobbyChatted{kLobby, "str:bob", {9}},
          LobbyChanged{kLobby, LobbyKind::kPrivate, 2, false, "str:bob"},
          LobbyClaimed{kLobby, kStanding, {1, 2}}};
}

template <typename Message, typename Decode>
void round_trips(const std::vector<Message>& messages, Decode decode) {
  for (const Message& message : messages) {
    auto bytes = encode(message);
    const auto read = decode(bytes);
    ASSERT_TRUE(read.has_value()) << message.index();
    EXPECT_EQ(read->index(), message.index());
    EXPECT_EQ(encode(*read), bytes);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(decode(Bytes(bytes).first(size)).has_value()) << message.index() << " " << size;
    }
    bytes.push_back(0);
    EXPECT_FALSE(decode(bytes).has_value());
  }
}

TEST(LobbyMessages, AreReadAsTheyWereWrittenAndNotInPart) {
  ASSERT_EQ(requests().size(), std::variant_size_v<LobbyRequest>);
  ASSERT_EQ(notices().size(), std::variant_size_v<LobbyNotice>);
  round_trips(requests(), [](Bytes bytes) { return decode_lobby_request(bytes); });
  round_trips(notices(), [](Bytes bytes) { return decode_lobby_notice(bytes); });
}

TEST(LobbyMessages, AreToldApartByTheirType) {
  for (const LobbyRequest& request : requests()) {
    EXPECT_TRUE(is_lobby_request(encode(request)));
    EXPECT_FALSE(is_lobby_notice(encode(request)));
    EXPECT_EQ(request_of(request), request.index() + 1);
  }
  for (const LobbyNotice& notice : notices()) EXPECT_TRUE(is_lobby_notice(encode(notice)));
  EXPECT_FALSE(is_lobby_request({}));
  EXPECT_FALSE(is_lobby_notice({}));
}

TEST(LobbyMessages, LimitsHold) {
  const std::string key(kLobbyKeyBytesMax, 'k');
  const std::string value(kLobbyValueBytesMax, 'v');
  auto bytes = encode(LobbyRequest(LobbySetData{1, kLobby, false, false, {key, value}}));
  ASSERT_TRUE(decode_lobby_request(bytes).has_value());
  // | type 1 | request 4 | lobby 8 | flags 2 | size of the key 2 | key ...
  bytes[16] = static_cast<std::uint8_t>(bytes[16] + 1);
  bytes.push_back('x');
  EXPECT_FALSE(decode_lobby_request(bytes).has_value());

  LobbyList list{1, std::vector<LobbyFilter>(kLobbyFiltersMax), 0, 0};
  bytes = encode(LobbyRequest(list));
  ASSERT_TRUE(decode_lobby_request(bytes).has_value());
  ++bytes[5];
  const std::vector<std::uint8_t> filter(11, 0);
  bytes.insert(bytes.begin() + 6, filter.begin(), filter.end());
  EXPECT_FALSE(decode_lobby_request(bytes).has_value());

  bytes = encode(LobbyRequest(LobbyCreate{1, LobbyKind::kInvisible, 4}));
  ++bytes[5];
  EXPECT_FALSE(decode_lobby_request(bytes).has_value()) << "no such kind";
}

}  // namespace
}  // namespace whimbrel::rendezvous
