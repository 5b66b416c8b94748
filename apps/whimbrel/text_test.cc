#include "text.h"

#include <gtest/gtest.h>

using namespace std::string_literals;

namespace {

TEST(Printable, LeavesTextAlone) {
  EXPECT_EQ(printable(""), "");
  EXPECT_EQ(printable("plain ~"), "plain ~");
  // Two, three and four bytes; the last code point of all.
  EXPECT_EQ(printable("\u00a0\u00e4\u20ac\U0001f426\U0010ffff"),
            "\u00a0\u00e4\u20ac\U0001f426\U0010ffff");
}

TEST(Printable, HidesControls) {
  EXPECT_EQ(printable("a\x1b[2J\x07\x7f\n\tb\0c"s), "a?[2J????b?c");
}

TEST(Printable, HidesControlsOfEightBits) {
  EXPECT_EQ(printable("\x9b\x32J"), "?2J");      // one byte
  EXPECT_EQ(printable("\xc2\x9b\x32J"), "?2J");  // the same in UTF-8
  EXPECT_EQ(printable("\xc2\x80\xc2\x9f"), "??");
}

TEST(ShortName, IsReadBackAsTheSameUser) {
  const auto name = [](const char* text) { return short_name(*whimbrel::Identity::parse(text)); };
  EXPECT_EQ(name("str:alice"), "alice");
  EXPECT_EQ(name("str:Bob Smith"), "Bob Smith");
  EXPECT_EQ(name("steamid:5"), "steamid:5");
  EXPECT_EQ(name("str:steamid:5"), "str:steamid:5") << "somebody else";
}

// Lines are "NAME: TEXT", and "* TEXT" is what the program says itself.
TEST(ShortName, LooksLikeNoOtherLine) {
  const auto name = [](const char* text) { return short_name(*whimbrel::Identity::parse(text)); };
  EXPECT_EQ(name("str:alice: come here"), "str:alice: come here");
  EXPECT_EQ(name("str:* server"), "str:* server");
  EXPECT_EQ(name("str:alice "), "str:alice ");
  EXPECT_EQ(name("str: alice"), "str: alice");
}

TEST(ShortName, ShowsWhatLeavesNoMark) {
  const auto name = [](const char* text) { return short_name(*whimbrel::Identity::parse(text)); };
  EXPECT_EQ(name("str:bob\u200b"), "bob?") << "not the name of str:bob";
  EXPECT_EQ(name("str:b\ufeffo\u00adb\ufe0f"), "b?o?b?");
  EXPECT_EQ(name("str:zo\u00eb\U0001f426"), "zo\u00eb\U0001f426");
  EXPECT_EQ(printable("\U0001f468\u200d\U0001f680"), "\U0001f468\u200d\U0001f680")
      << "in a text it joins";
}

TEST(Printable, HidesWhatTurnsTheDirection) {
  EXPECT_EQ(printable("a\u202eb\u2066c\u2028d"), "a?b?c?d");
}

TEST(Printable, HidesWhatIsNoUtf8) {
  EXPECT_EQ(printable("\xff\xfe"), "??");
  EXPECT_EQ(printable("\xc0\x80"), "??");            // a long form of NUL
  EXPECT_EQ(printable("\xe0\x82\x9b"), "???");       // a long form of U+009B
  EXPECT_EQ(printable("\xed\xa0\x80"), "???");       // a surrogate
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "????");  // over U+10FFFF
  EXPECT_EQ(printable("a\xe2\x82"), "a??");          // cut off
  EXPECT_EQ(printable("\xe2\x82z"), "??z");          // the next one is not swallowed
}

}  // namespace
