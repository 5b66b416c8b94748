#include "message/frame_fit.h"

#include <gtest/gtest.h>

namespace whimbrel {
namespace {

TEST(FrameFit, AlwaysFillsOrStatesItsLength) {
  for (const std::size_t room : {0, 1, 2, 63, 64, 65, 66, 1200, 16383, 16384, 16385, 16390}) {
    for (std::size_t size = room > 20 ? room - 20 : 0; size <= room; ++size) {
      const FrameFit fit = fit_frame(room, size);
      if (fit.to_end) {
        EXPECT_EQ(fit.padding + size, room);
        EXPECT_LT(fit.padding, varint_size(size));
      } else {
        EXPECT_EQ(fit.padding, 0u);
        EXPECT_LE(size + varint_size(size), room);
      }
    }
  }
}

}  // namespace
}  // namespace whimbrel
