#include "rendezvous/messages.h"

#include <gtest/gtest.h>

namespace whimbrel::rendezvous {
namespace {

std::vector<ClientMessage> client_messages() {
  return {Login{1, 7, "str:alice", "a.b.c", {1, 2, 3}},
          Renew{},
          Lookup{9, "str:bob"},
          Signal{10, "str:bob", {1, 2, 3}},
          WantRelayTicket{11},
          Ping{~0ull},
          Watch{"str:bob", true},
          Watch{"str:bob", false},
          Logout{}};
}
std::vector<ServerMessage> server_messages() {
  LoggedIn in{"str:alice", std::vector<std::uint8_t>(200, 3), {}, 1'800'000'000'123, 200};
  in.authority.fill(9);
  RelayTicket ticket;
  ticket.port = 4040;
  ticket.site = "home";
  ticket.token.assign(105, 7);
  ticket.not_after = -1;
  return {in,
          Refused{3, RefusalCode::kNameTaken, "the name is taken"},
          Found{5, "str:bob", true, {1, 2}},
          SignalDone{6, true},
          Signalled{"str:bob", std::vector<std::uint8_t>(kSignalBytesMax, 1)},
          RelayTickets{4, {ticket, ticket}},
          Pong{1, 25},
          Presence{"str:bob", true},
          Renewed{{1}},
          Farewell{true, 30},
          Revocations{std::vector<std::uint8_t>(kRevocationsSizeMax, 3)}};
}

TEST(RendezvousMessages, AreReadAsTheyWereWritten) {
  for (const ClientMessage& message : client_messages()) {
    const auto bytes = encode(message);
    const auto read = decode_client_message(bytes);
    ASSERT_TRUE(read.has_value()) << message.index();
    EXPECT_EQ(read->index(), message.index());
    EXPECT_EQ(encode(*read), bytes);
    EXPECT_FALSE(decode_server_message(bytes).has_value());
  }
  for (const ServerMessage& message : server_messages()) {
    const auto bytes = encode(message);
    const auto read = decode_server_message(bytes);
    ASSERT_TRUE(read.has_value()) << message.index();
    EXPECT_EQ(read->index(), message.index());
    EXPECT_EQ(encode(*read), bytes);
    EXPECT_FALSE(decode_client_message(bytes).has_value());
  }
}

TEST(RendezvousMessages, NoPartAndNoMoreIsAMessage) {
  for (const ClientMessage& message : client_messages()) {
    auto bytes = encode(message);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(decode_client_message(Bytes(bytes).first(size)).has_value());
    }
    bytes.push_back(0);
    EXPECT_FALSE(decode_client_message(bytes).has_value());
  }
}

TEST(RendezvousMessages, FieldsOverTheirLimitAreRefused) {
  auto bytes = encode(ClientMessage(Lookup{1, std::string(kIdentityTextSizeMax, 'x')}));
  ASSERT_TRUE(decode_client_message(bytes).has_value());
  bytes[6] = static_cast<std::uint8_t>(bytes[6] + 1);  // the low byte of the text's size
  bytes.push_back('x');
  EXPECT_FALSE(decode_client_message(bytes).has_value());
}

}  // namespace
}  // namespace whimbrel::rendezvous
