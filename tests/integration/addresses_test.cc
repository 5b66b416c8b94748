// Users and servers with several addresses, over real sockets: RFC 8305.
#include <gmock/gmock.h>

#include <string>

#include "tests/integration/pair.h"

namespace whimbrel {
namespace {

using testing::HasSubstr;

std::string fault_of_route(const std::string& address) {
  Config config = loopback_config("x", false);
  config.routes = {{Identity::generic_string("b"), address, ""}};
  std::string error;
  EXPECT_EQ(NetworkingMessages::create(config, &error), nullptr);
  return error;
}

TEST(Addresses, OfARouteAreLookedAtOneByOne) {
  EXPECT_THAT(fault_of_route("127.0.0.1:9,nowhere"), HasSubstr("'nowhere'"));
  EXPECT_THAT(fault_of_route("127.0.0.1:9,"), HasSubstr("'' is not like"));
  EXPECT_THAT(fault_of_route("127.0.0.1:9, [::1]:9"), HasSubstr("' [::1]:9'"));
  std::string nine = "127.0.0.1:1";
  for (int port = 2; port <= 9; ++port) nine += ",127.0.0.1:" + std::to_string(port);
  EXPECT_THAT(fault_of_route(nine), HasSubstr("more than 8 addresses"));
}

// There is no IPv6 socket, so the first is passed over at once; nobody is at the second.
TEST(Addresses, OfARouteAreTriedInTurn) {
  Pair pair(true);
  const std::string there = "127.0.0.1:" + std::to_string(pair.bob->port_v4());
  std::string error;
  EXPECT_TRUE(pair.alice->add_route({pair.bob_id, "[::1]:9,127.0.0.1:9," + there, ""}, &error))
      << error;
  pair.connect();
  ConnectionInfo info;
  pair.alice->get_session_connection_info(pair.bob_id, &info, nullptr);
  EXPECT_EQ(info.remote_address, there);
  EXPECT_TRUE(pair.failures.empty());
}

}  // namespace
}  // namespace whimbrel
