// A stream with NoDelay beside a transfer on another channel of the same session.
#include <gtest/gtest.h>

#include "sim/voice_beside_bulk.h"

namespace whimbrel::sim {
namespace {

LinkConfig line_of(std::uint64_t rate, Duration delay) {
  LinkConfig line;
  line.rate = rate;
  line.delay = delay;
  return line;
}

class VoiceBesideBulk : public testing::TestWithParam<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Seeds, VoiceBesideBulk, testing::Values(1, 2, 3));

TEST_P(VoiceBesideBulk, IsNeitherIgnoredNorLate) {
  const LinkConfig line = line_of(2'500'000, milliseconds(20));
  const VoiceResult idle = run_voice(line, false, GetParam());
  const VoiceResult busy = run_voice(line, true, GetParam());
  EXPECT_EQ(idle.ignored, 0u);
  EXPECT_EQ(idle.arrived, idle.sent);
  EXPECT_EQ(busy.ignored, 0u);
  EXPECT_GE(busy.arrived * 100, busy.sent * 98);
  EXPECT_LE(busy.p99_ms, idle.p99_ms + 25);
  EXPECT_GE(busy.bulk_bytes_per_s, 0.85 * 2'500'000) << "the transfer goes on";
}

TEST_P(VoiceBesideBulk, OnASlowAndOnAFarLineToo) {
  for (const LinkConfig& line :
       {line_of(125'000, milliseconds(20)), line_of(1'000'000, milliseconds(150))}) {
    const VoiceResult busy = run_voice(line, true, GetParam());
    EXPECT_LE(busy.ignored * 100, busy.sent) << line.rate;
    EXPECT_GE(busy.arrived * 100, busy.sent * 95) << line.rate;
  }
}

}  // namespace
}  // namespace whimbrel::sim
