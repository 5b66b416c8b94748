#include "log.h"

#include <gtest/gtest.h>

namespace {

TEST(Log, TextsAreJson) {
  EXPECT_EQ(json_text("plain"), "\"plain\"");
  EXPECT_EQ(json_text("str:\"eve\"\n\\"), R"("str:\"eve\"\n\\")");
  EXPECT_EQ(json_text("\xff"), "\"\xef\xbf\xbd\"");
}

}  // namespace
