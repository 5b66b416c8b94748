#include <gmock/gmock.h>
#include <whimbrel/identity.h>

#include <unordered_set>

namespace whimbrel {
namespace {

using testing::HasSubstr;

std::string refused(std::string_view text) {
  std::string error;
  const auto identity = Identity::parse(text, &error);
  EXPECT_FALSE(identity.has_value()) << text;
  return error;
}

TEST(Identity, TextRoundTripsExactly) {
  for (const std::string& text :
       std::vector<std::string>{std::string("steamid:76561197960287930"),
                                std::string("steamid:1"),
                                std::string("steamid:18446744073709551615"),
                                std::string("str:a"),
                                "str:" + std::string(31, 'x'),
                                std::string("str:a b:c \xc3\xa9"),
                                std::string("gen:00"),
                                "gen:" + std::string(64, 'f'),
                                std::string("ip:192.168.1.7:4000"),
                                std::string("ip:1.2.3.4"),
                                std::string("ip:[2001:db8::1]:65535"),
                                std::string("ip:::1"),
                                std::string("psn:0"),
                                std::string("psn:42"),
                                std::string("xboxpwid:x"),
                                "xboxpwid:" + std::string(32, 'y'),
                                std::string("stadia:12"),
                                std::string("a_1:b"),
                                "z:" + std::string(125, 'q'),
                                std::string("invalid")}) {
    std::string error;
    const auto identity = Identity::parse(text, &error);
    ASSERT_TRUE(identity.has_value()) << text << ": " << error;
    EXPECT_EQ(identity->text(), text);
    EXPECT_EQ(*Identity::parse(identity->text()), *identity);
  }
}

TEST(Identity, RefusesBadTextWithAReason) {
  for (const char* text :
       {"steamid:", "steamid:0", "steamid:01", "steamid:1x", "steamid: 1", "steamid:+1",
        "steamid:-1", "steamid:18446744073709551616", "psn:", "psn:00", "psn:1 "}) {
    EXPECT_FALSE(refused(text).empty()) << text;
  }
  EXPECT_THAT(refused("steamid:1x"), HasSubstr("decimal number"));
  EXPECT_THAT(refused("str:" + std::string(32, 'x')), HasSubstr("1 to 31"));
  EXPECT_THAT(refused("str:"), HasSubstr("colon"));
  EXPECT_THAT(refused(std::string_view("str:a\0b", 7)), HasSubstr("zero"));
  EXPECT_THAT(refused("gen:abc"), HasSubstr("pairs"));
  EXPECT_THAT(refused("gen:" + std::string(66, '0')), HasSubstr("1 to 32"));
  EXPECT_THAT(refused("gen:zz"), HasSubstr("hexadecimal"));
  EXPECT_THAT(refused("ip:1.2.3.4:garbage"), HasSubstr("192.168.1.7:4000"));
  EXPECT_THAT(refused("ip:1.2.3.4:"), HasSubstr("address"));
  EXPECT_THAT(refused("ip:1.2.3.4:1 "), HasSubstr("address"));
  EXPECT_THAT(refused("xboxpwid:" + std::string(33, 'y')), HasSubstr("1 to 32"));
  EXPECT_THAT(refused("1.2.3.4"), HasSubstr("<kind>:<name>"));
  EXPECT_THAT(refused(""), HasSubstr("<kind>:<name>"));
  EXPECT_THAT(refused("Str:a"), HasSubstr("a-z"));
  EXPECT_THAT(refused(":a"), HasSubstr("a-z"));
  EXPECT_THAT(refused("abcdefghijklmnopq:a"), HasSubstr("1 to 16"));
  EXPECT_THAT(refused("z:" + std::string(126, 'q')), HasSubstr("127"));
}

TEST(Identity, MakersRefuseWhatIsOutOfRange) {
  EXPECT_FALSE(Identity::steam_id(0).valid());
  EXPECT_FALSE(Identity::generic_string("").valid());
  EXPECT_FALSE(Identity::generic_string(std::string(32, 'x')).valid());
  EXPECT_FALSE(Identity::generic_bytes({}).valid());
  EXPECT_FALSE(Identity::generic_bytes(std::vector<std::uint8_t>(33)).valid());
  EXPECT_FALSE(Identity::xbox_pairwise("").valid());
  EXPECT_TRUE(Identity::psn(0).valid());
  EXPECT_EQ(Identity::generic_bytes(std::vector<std::uint8_t>{0xAB}).text(), "gen:ab");
}

TEST(Identity, EqualsByTypeAndBytes) {
  EXPECT_EQ(*Identity::parse("gen:AB"), *Identity::parse("gen:ab"));
  EXPECT_EQ(*Identity::parse("ip:[0:0::1]:5"), *Identity::parse("ip:[::1]:5"));
  EXPECT_EQ(*Identity::parse("ip:[::ffff:1.2.3.4]:5"), *Identity::parse("ip:1.2.3.4:5"));
  EXPECT_NE(*Identity::parse("ip:1.2.3.4"), *Identity::parse("ip:1.2.3.4:5"));
  EXPECT_NE(*Identity::parse("str:a"), *Identity::parse("xboxpwid:a"));
  EXPECT_NE(Identity::steam_id(5), Identity::psn(5));
  EXPECT_NE(*Identity::parse("str:a"), *Identity::parse("str:ab"));
  EXPECT_EQ(Identity(), *Identity::parse("invalid"));
}

TEST(Identity, HashesApart) {
  std::unordered_set<std::size_t> hashes;
  for (int i = 0; i < 1000; ++i) {
    hashes.insert(Identity::generic_string("user" + std::to_string(i)).hash());
    hashes.insert(Identity::steam_id(static_cast<std::uint64_t>(i) + 1).hash());
  }
  EXPECT_EQ(hashes.size(), 2000u);
  EXPECT_EQ(Identity::generic_string("a").hash(), Identity::parse("str:a")->hash());
}

TEST(Identity, CopiesKeepTheirBytes) {
  const Identity a = Identity::generic_string("alice");
  Identity b = a;
  b = Identity::generic_string("bo");
  EXPECT_EQ(b.text(), "str:bo");
  EXPECT_EQ(a.text(), "str:alice");
  const Identity& self = b;
  b = self;
  EXPECT_EQ(b.text(), "str:bo");
}

}  // namespace
}  // namespace whimbrel
