#include "base/ring_buffer.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>

#include "base/random.h"

namespace whimbrel {
namespace {

TEST(RingBuffer, AgreesWithADeque) {
  FastRandom random(1);
  RingBuffer<int> ring;
  std::deque<int> model;
  for (int i = 0; i < 50000; ++i) {
    const bool growing = i / 5000 % 2 == 0;
    const std::uint64_t action = random.below(growing ? 5 : 8);
    if (action < 3) {
      ring.push_back(i);
      model.push_back(i);
    } else if (action == 3) {
      ring.push_front(i);
      model.push_front(i);
    } else if (!model.empty()) {
      ASSERT_EQ(ring.pop_front(), model.front());
      model.pop_front();
    }
    ASSERT_EQ(ring.size(), model.size());
    ASSERT_EQ(ring.empty(), model.empty());
    if (model.empty()) continue;
    ASSERT_EQ(ring.front(), model.front());
    ASSERT_EQ(ring.back(), model.back());
    const std::size_t at = random.below(model.size());
    ASSERT_EQ(ring[at], model[at]);
  }
}

TEST(RingBuffer, LetsGoOfWhatIsPopped) {
  RingBuffer<std::shared_ptr<int>> ring;
  const auto value = std::make_shared<int>(1);
  ring.push_back(value);
  ring.push_back(value);
  EXPECT_EQ(value.use_count(), 3);
  ring.pop_front();
  EXPECT_EQ(value.use_count(), 2);
  ring.clear();
  EXPECT_EQ(value.use_count(), 1);
}

TEST(RingBuffer, GivesMemoryBackWhenItRunsEmpty) {
  RingBuffer<int> ring;
  for (int i = 0; i < 10000; ++i) ring.push_back(i);
  EXPECT_GE(ring.capacity(), 10000u);
  while (!ring.empty()) ring.pop_front();
  EXPECT_EQ(ring.capacity(), 0u);
  ring.push_back(1);
  EXPECT_EQ(ring.back(), 1);
}

TEST(RingBufferDeathTest, AnEmptyOneHasNoFront) {
  RingBuffer<int> ring;
  EXPECT_DEATH(ring.front(), "assertion failed");
  EXPECT_DEATH(ring.pop_front(), "assertion failed");
  EXPECT_DEATH(ring.back(), "assertion failed");
}

}  // namespace
}  // namespace whimbrel
