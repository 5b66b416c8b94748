#include "network/via_address.h"

#include <gtest/gtest.h>

namespace whimbrel {
namespace {

TEST(ViaAddress, NamesARemote) {
  for (const std::uint32_t number : {1u, 2u, 255u, 65536u, 0xffffffffu}) {
    const IpAddress address = via_address(RemoteId{number});
    EXPECT_TRUE(address.is_discard_only());
    EXPECT_EQ(remote_of(address), RemoteId{number});
    EXPECT_FALSE(address.is_v4());
  }
}

TEST(ViaAddress, NoOtherAddressDoes) {
  for (const char* text : {"127.0.0.1:1", "[::1]:1", "[2001:db8::1]:1", "[100::]:1", "[100::1]:2",
                           "[100::1:0:0:1]:1", "[100:1::1]:1"}) {
    EXPECT_FALSE(remote_of(*IpAddress::parse(text)).has_value()) << text;
  }
}

}  // namespace
}  // namespace whimbrel
