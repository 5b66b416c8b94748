#include <gtest/gtest.h>
#include <whimbrel/config.h>
#include <whimbrel/connection_info.h>
#include <whimbrel/result.h>
#include <whimbrel/version.h>

#include <set>

namespace whimbrel {
namespace {

TEST(Options, AreOrderedNamedAndWithinTheirRanges) {
  std::set<std::string_view> names;
  int previous = 0;
  for (const OptionInfo& info : all_options()) {
    EXPECT_GT(static_cast<int>(info.option), previous) << info.name;
    previous = static_cast<int>(info.option);
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_LE(info.min, info.default_value) << info.name;
    EXPECT_LE(info.default_value, info.max) << info.name;
    EXPECT_EQ(find_option(info.name), &info);
  }
}

TEST(Options, AreFoundWhateverTheCase) {
  ASSERT_NE(find_option("sendbuffersize"), nullptr);
  EXPECT_EQ(find_option("sendbuffersize")->option, Option::kSendBufferSize);
  EXPECT_EQ(find_option("SendBufferSiz"), nullptr);
  EXPECT_EQ(find_option(""), nullptr);
}

TEST(Names, TellResultsAndStates) {
  EXPECT_EQ(to_string(Result::kLimitExceeded), "LimitExceeded");
  EXPECT_EQ(to_string(static_cast<Result>(77)), "?");
  EXPECT_EQ(to_string(ConnectionState::kConnected), "Connected");
  EXPECT_STREQ(version(), "0.1.0");
}

}  // namespace
}  // namespace whimbrel
