#include "server/forward_runs.h"

#include <gtest/gtest.h>

#include <vector>

namespace whimbrel {
namespace {

class ForwardRunsTest : public testing::Test {
 protected:
  // The next `size` bytes of the buffer, as a datagram to `host`.
  void add(std::uint8_t host, std::size_t size, std::size_t gap = 0) {
    at_ += gap;
    runs.add(IpAddress::v4(10, 0, 0, host, 1), Bytes(buffer_).subspan(at_, size));
    at_ += size;
  }
  std::vector<std::size_t> sizes() const {
    std::vector<std::size_t> all;
    for (const auto& run : runs.runs()) all.push_back(run.bytes.size());
    return all;
  }
  using Sizes = std::vector<std::size_t>;

  ForwardRuns runs;

 private:
  std::vector<std::uint8_t> buffer_ = std::vector<std::uint8_t>(1 << 20);
  std::size_t at_ = 0;
};

TEST_F(ForwardRunsTest, NeighboursOfOneSizeJoin) {
  for (int i = 0; i < 3; ++i) add(1, 100);
  EXPECT_EQ(sizes(), Sizes{300});
  EXPECT_EQ(runs.runs()[0].segment_size, 100u);
}

TEST_F(ForwardRunsTest, AShorterOneIsTheLast) {
  add(1, 100);
  add(1, 40);
  add(1, 40);
  add(1, 40);
  EXPECT_EQ(sizes(), (Sizes{140, 80}));
}

TEST_F(ForwardRunsTest, WhatDoesNotJoin) {
  add(1, 100);
  add(2, 100);
  add(2, 101);
  add(2, 101, 1);
  EXPECT_EQ(sizes(), (Sizes{100, 100, 101, 101}));
}

TEST_F(ForwardRunsTest, NoLongerThanTheKernelTakes) {
  for (int i = 0; i < 70; ++i) add(1, 100);
  EXPECT_EQ(sizes(), (Sizes{6400, 600}));
  runs.clear();
  for (int i = 0; i < 60; ++i) add(1, 1220);
  EXPECT_EQ(sizes(), (Sizes{53 * 1220, 7 * 1220}));
}

}  // namespace
}  // namespace whimbrel
