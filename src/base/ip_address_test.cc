#include "base/ip_address.h"

#include <gtest/gtest.h>

#include <string>
#include <unordered_set>

namespace whimbrel {
namespace {

std::string round_trip(std::string_view text) {
  const auto address = IpAddress::parse(text);
  return address ? address->text() : "refused";
}

TEST(IpAddress, ReadsTheFourForms) {
  EXPECT_EQ(IpAddress::parse("1.2.3.4"), IpAddress::v4(1, 2, 3, 4, 0));
  EXPECT_EQ(IpAddress::parse("1.2.3.4:5"), IpAddress::v4(1, 2, 3, 4, 5));
  const auto v6 = IpAddress::parse("::1");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->bytes[15], 1);
  EXPECT_EQ(v6->port, 0);
  const auto with_port = IpAddress::parse("[::1]:65535");
  ASSERT_TRUE(with_port);
  EXPECT_EQ(with_port->bytes, v6->bytes);
  EXPECT_EQ(with_port->port, 65535);
}

TEST(IpAddress, WritesTheShortestForm) {
  const std::pair<const char*, const char*> cases[] = {
      {"0.0.0.0", "0.0.0.0"},
      {"255.255.255.255:65535", "255.255.255.255:65535"},
      {"1.2.3.4:0", "1.2.3.4"},
      {"::", "::"},
      {"0:0:0:0:0:0:0:0", "::"},
      {"0:0:0:0:0:0:0:1", "::1"},
      {"1:0:0:0:0:0:0:0", "1::"},
      {"2001:DB8::A", "2001:db8::a"},
      {"2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"},
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
      {"1::3:4:5:6:7:8", "1:0:3:4:5:6:7:8"},
      {"1:0:0:2:0:0:0:3", "1:0:0:2::3"},
      {"[2001:db8::1]:443", "[2001:db8::1]:443"},
      {"::ffff:1.2.3.4", "1.2.3.4"},
      {"[::ffff:102:304]:7", "1.2.3.4:7"},
      {"64:ff9b::1.2.3.4", "64:ff9b::102:304"},
      {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
      {"::1.2.3.4", "::102:304"},
      {"100:a0b:c0:d00:f:10:1000:ffff", "100:a0b:c0:d00:f:10:1000:ffff"},
  };
  for (const auto& [in, out] : cases) {
    EXPECT_EQ(round_trip(in), out) << in;
    EXPECT_EQ(round_trip(out), out);
  }
}

TEST(IpAddress, RefusesEverythingElse) {
  const char* cases[] = {"",
                         " ",
                         ":",
                         ":::",
                         "1",
                         "1.2.3",
                         "1.2.3.4.5",
                         "1.2.3.256",
                         "01.2.3.4",
                         "1.2.3.4:",
                         "1.2.3.4:65536",
                         "1.2.3.4:00",
                         "1.2.3.4:05",
                         "1.2.3.4:+5",
                         "1.2.3.4:5 ",
                         " 1.2.3.4",
                         "1.2.3.4:5:6",
                         "1..3.4",
                         "1.2.3.0x4",
                         "localhost:5",
                         "[1.2.3.4]:5",
                         "[::1]",
                         "[::1]:",
                         "[::1]5",
                         "[::1",
                         "::1]",
                         "[[::1]]:5",
                         "[::1]:5x",
                         "1:2",
                         "1:2:3:4:5:6:7",
                         "1:2:3:4:5:6:7:",
                         "1:2:3:4:5:6:7:8:9",
                         "1:2:3:4:5:6:7::8",
                         ":1:2:3:4:5:6:7",
                         "1::2::3",
                         "1::2::",
                         "::1::",
                         "1:::2",
                         "12345::",
                         "::g",
                         "fe80::1%eth0",
                         "1:2:3:4:5:6:7:1.2.3.4",
                         "1.2.3.4::",
                         "::1.2.3.4:5",
                         "::1.2.3",
                         "::ffff:1.2.3.400"};
  for (const char* text : cases) EXPECT_EQ(round_trip(text), "refused") << text;
  EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0", 8)));
}

TEST(IpAddress, Kinds) {
  EXPECT_TRUE(IpAddress().empty());
  EXPECT_TRUE(IpAddress().is_unspecified());
  EXPECT_FALSE(IpAddress().is_v4());
  EXPECT_TRUE(IpAddress::v4(0, 0, 0, 0, 0).is_unspecified());
  EXPECT_FALSE(IpAddress::v4(0, 0, 0, 0, 1).empty());
  EXPECT_TRUE(IpAddress::v4(127, 9, 9, 9, 1).is_loopback());
  EXPECT_FALSE(IpAddress::v4(128, 0, 0, 1, 1).is_loopback());
  EXPECT_TRUE(IpAddress::parse("::1")->is_loopback());
  EXPECT_FALSE(IpAddress::parse("::2")->is_loopback());
}

TEST(IpAddress, HashTellsNeighboursApart) {
  std::unordered_set<std::size_t> seen;
  for (std::uint16_t port = 0; port < 1000; ++port) {
    for (std::uint8_t host = 0; host < 10; ++host) {
      seen.insert(IpAddressHash()(IpAddress::v4(10, 0, 0, host, port)));
    }
  }
  EXPECT_EQ(seen.size(), 10000u);
}

}  // namespace
}  // namespace whimbrel
