#include "log.h"

#include <gtest/gtest.h>

#include "text.h"

namespace {

TEST(Log, TextsAreJson) {
  EXPECT_EQ(json_text("plain"), "\"plain\"");
  EXPECT_EQ(json_text("str:\"eve\"\n\\"), R"("str:\"eve\"\n\\")");
  EXPECT_EQ(json_text("\xff"), "\"\xef\xbf\xbd\"");
}

TEST(Log, TextsAreOnOneLine) {
  EXPECT_EQ(on_one_line("a\nb\x1b[2J\x7f\r\xc3\xa4"), "a\\x0ab\\x1b[2J\\x7f\\x0d\xc3\xa4");
  EXPECT_EQ(quoted_text("a\nb\xc3\xa4\xff"), R"("a\nb\u00e4\ufffd")");
}

}  // namespace
