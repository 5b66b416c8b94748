#include <gtest/gtest.h>
#include <whimbrel/lobbies.h>
#include <whimbrel/networking_messages.h>

#include <array>
#include <deque>
#include <initializer_list>
#include <list>
#include <string>
#include <vector>

namespace whimbrel {
namespace {

std::string text_of(Payload payload) {
  return {static_cast<const char*>(payload.data()), payload.size()};
}

// A string type of the application's own, and a packet type.
struct Name {
  operator std::string_view() const { return "Bo"; }
};
struct Packet {
  operator std::span<const std::uint8_t>() const { return bytes; }
  std::array<std::uint8_t, 2> bytes{'h', 'i'};
};
struct Line : std::string {
  using std::string::string;
};
struct Point {
  std::int32_t x, y;
};
// Declared here, as in a header, without its length.
extern const char greeting[];

TEST(Payload, EveryHolderOfBytes) {
  const std::vector<std::uint8_t> octets = {'a', 'b', 'c'};
  EXPECT_EQ(text_of(octets), "abc");
  EXPECT_EQ(text_of(std::vector<std::byte>{std::byte('a'), std::byte(0)}), std::string("a\0", 2));
  EXPECT_EQ(text_of(std::vector<char>{'a', 'b'}), "ab");
  EXPECT_EQ(text_of(std::vector<signed char>{'a', 'b'}), "ab");
  EXPECT_EQ(text_of(std::array<std::byte, 2>{std::byte('x'), std::byte('y')}), "xy");
  EXPECT_EQ(text_of(std::span(octets)), "abc");
  EXPECT_EQ(text_of(std::span(octets).first<2>()), "ab");
  EXPECT_EQ(text_of(std::span<const char>("abc", 2)), "ab");
  EXPECT_EQ(text_of(std::initializer_list<std::uint8_t>{'q'}), "q");
  const std::array<Point, 3> points{};
  EXPECT_EQ(Payload(std::as_bytes(std::span(points))).size(), 24u);
  EXPECT_EQ(Payload(std::as_bytes(std::span(points))).data(), points.data());
}

TEST(Payload, EveryText) {
  EXPECT_EQ(text_of("abc"), "abc") << "without its zero";
  EXPECT_EQ(text_of(std::string("a\0c", 3)), std::string("a\0c", 3));
  EXPECT_EQ(text_of(std::string_view("abc")), "abc");
  EXPECT_EQ(text_of(Line("abc")), "abc");
  EXPECT_EQ(text_of(Name()), "Bo");
  EXPECT_EQ(text_of(std::string("a") + "b"), "ab");
  char buffer[16] = "abc";
  EXPECT_EQ(text_of(buffer), "abc") << "up to its zero";
  EXPECT_EQ(text_of(static_cast<const char*>(buffer)), "abc");
  EXPECT_EQ(text_of(static_cast<char*>(buffer)), "abc");
  const char full[3] = {'a', 'b', 'c'};
  EXPECT_EQ(text_of(full), "abc") << "no zero: no further than the array";
  EXPECT_EQ(text_of(greeting), "hello") << "of an unknown length: up to its zero";
  EXPECT_TRUE(Payload("").empty());
  static_assert(Payload("abc").size() == 3);
}

const char greeting[] = "hello";

TEST(Payload, EveryPieceOfMemory) {
  const Point point{1, 2};
  EXPECT_EQ(Payload(&point, sizeof point).data(), &point);
  EXPECT_EQ(Payload(&point, sizeof point).size(), 8u);
  const std::vector<std::uint8_t> octets = {'a', 'b', 'c'};
  EXPECT_EQ(text_of({octets.data(), 2}), "ab");
  EXPECT_EQ(text_of({octets.begin(), octets.end()}), "abc");
  EXPECT_EQ(text_of({octets.data(), octets.data() + 1}), "a");
  EXPECT_EQ(text_of({"abc", 2}), "ab");
  const std::uint8_t array[] = {'a', 0};
  EXPECT_EQ(text_of(array), std::string("a\0", 2)) << "no text: all of it";
  EXPECT_EQ(text_of(Packet()), "hi");
}

TEST(Payload, NothingIsEmpty) {
  EXPECT_TRUE(Payload().empty());
  EXPECT_EQ(Payload().data(), nullptr);
  EXPECT_EQ(Payload(nullptr, 0).size(), 0u);
  EXPECT_TRUE(Payload(static_cast<const char*>(nullptr)).empty());
  EXPECT_TRUE(Payload("").empty());
  EXPECT_TRUE(Payload(std::string()).empty());
  EXPECT_TRUE(Payload(std::vector<std::uint8_t>()).empty());
  EXPECT_EQ(Payload(nullptr, 5).size(), 5u) << "the call refuses it";
}

template <typename T>
concept CanBeSent = requires(NetworkingMessages& net, Identity user, const T& payload) {
  { net.send_message_to_user(user, payload, 0, 0) } -> std::same_as<Result>;
  { net.send_message_to_users({&user, 1}, payload, 0, 0) } -> std::same_as<std::size_t>;
  { net.lobbies().chat(LobbyId{1}, payload) } -> std::same_as<bool>;
};

static_assert(CanBeSent<std::vector<std::uint8_t>>);
static_assert(CanBeSent<std::vector<std::byte>>);
static_assert(CanBeSent<std::vector<char>>);
static_assert(CanBeSent<std::vector<signed char>>);
static_assert(CanBeSent<std::array<std::byte, 4>>);
static_assert(CanBeSent<std::span<std::uint8_t>>);
static_assert(CanBeSent<std::span<const std::byte>>);
static_assert(CanBeSent<std::span<const std::byte, 4>>);
static_assert(CanBeSent<std::string>);
static_assert(CanBeSent<std::string_view>);
static_assert(CanBeSent<const char*>);
static_assert(CanBeSent<char[6]>);
static_assert(CanBeSent<std::uint8_t[6]>);
static_assert(CanBeSent<std::byte[6]>);
static_assert(CanBeSent<Name>);
static_assert(CanBeSent<Packet>);
static_assert(CanBeSent<Payload>);
// The order of their bytes is a matter of the machine, or they do not lie side by side.
static_assert(!CanBeSent<std::vector<int>>);
static_assert(!CanBeSent<std::u16string>);
static_assert(!CanBeSent<std::vector<bool>>);
static_assert(!CanBeSent<std::deque<std::uint8_t>>);
static_assert(!CanBeSent<std::list<char>>);
static_assert(!CanBeSent<int>);
static_assert(!CanBeSent<const void*>);

// In braces, or as two arguments.
template <typename Net>
concept TakesLists = requires(Net& net, Identity user, const Point& point) {
  net.send_message_to_user(user, {}, 0, 0);
  net.send_message_to_user(user, {&point, sizeof point}, 0, 0);
  net.send_message_to_user(user, &point, sizeof point, 0, 0);
  net.send_message_to_users({&user, 1}, {}, 0, 0);
  net.send_message_to_users({&user, 1}, {&point, sizeof point}, 0, 0);
  net.lobbies().chat(LobbyId{1}, {});
  net.lobbies().chat(LobbyId{1}, "text", {});
  net.lobbies().chat(LobbyId{1}, {&point, sizeof point}, [](LobbyResult) {});
};
static_assert(TakesLists<NetworkingMessages>);

}  // namespace
}  // namespace whimbrel
