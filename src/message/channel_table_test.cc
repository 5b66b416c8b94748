#include "message/channel_table.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "base/random.h"

namespace whimbrel {
namespace {

TEST(ChannelTable, FindsWhatWasAdded) {
  ChannelTable table;
  const ChannelId ids[] = {0,    7, 8,  -1, std::numeric_limits<ChannelId>::max(),
                           1000, 3, -8, 9,  std::numeric_limits<ChannelId>::min()};
  std::uint32_t place = 0;
  for (const ChannelId id : ids) {
    EXPECT_FALSE(table.find(id));
    EXPECT_EQ(table.add(id), place++);
  }
  EXPECT_EQ(table.size(), std::size(ids));
  place = 0;
  for (const ChannelId id : ids) EXPECT_EQ(table.find(id), place++);
  EXPECT_FALSE(table.find(1));
  EXPECT_FALSE(table.find(10));
  EXPECT_FALSE(table.find(-2));
}

TEST(ChannelTable, AgreesWithAMap) {
  FastRandom random(1);
  ChannelTable table;
  std::map<ChannelId, std::uint32_t> model;
  for (int i = 0; i < 20000; ++i) {
    const auto id = static_cast<ChannelId>(random.below(600)) - 300;
    const auto known = model.find(id);
    const auto found = table.find(id);
    ASSERT_EQ(found.has_value(), known != model.end());
    if (found) {
      ASSERT_EQ(*found, known->second);
    } else if (random.chance(0.3)) {
      model[id] = table.add(id);
      ASSERT_EQ(model[id], model.size() - 1);
    }
  }
}

// From the array to the sorted rest and back.
TEST(ChannelTable, APlaceGetsAnotherChannel) {
  ChannelTable table;
  for (const ChannelId channel : {0, 7, -5, 1000}) table.add(channel);
  const auto rename = [&](ChannelId from, ChannelId to) {
    const std::uint32_t place = *table.find(from);
    EXPECT_EQ(table.channel_at(place), from);
    table.rename(place, to);
    EXPECT_FALSE(table.find(from));
    EXPECT_EQ(table.find(to), place);
    EXPECT_EQ(table.channel_at(place), to);
  };
  rename(0, 3);
  rename(7, 2000);
  rename(-5, 1);
  rename(1000, -1000);
  rename(-1000, 0);
  EXPECT_EQ(table.size(), 4u);
  EXPECT_EQ(table.find(3), 0u);
  EXPECT_EQ(table.find(2000), 1u);
  EXPECT_EQ(table.find(1), 2u);
  EXPECT_EQ(table.find(0), 3u);
}

}  // namespace
}  // namespace whimbrel
