// Users who are logged in and do nothing, each with an instance of the library.
#include <sys/resource.h>
#include <whimbrel/networking_messages.h>

#include <algorithm>

#include "rendezvous_rows.h"

namespace bench {

using namespace whimbrel;

namespace {

constexpr std::size_t kUsers = 2000;
constexpr std::size_t kAtOnce = 64;  // that log in at a time
constexpr double kLoginPatience = 40;

using Users = std::vector<std::unique_ptr<NetworkingMessages>>;

bool online(const NetworkingMessages& net) {
  return net.get_server_status().state == ServerStatus::State::kOnline;
}

Users log_in(std::uint16_t port) {
  Users users;
  std::size_t first_waiting = 0;  // all before it are online
  for (const double limit = now_s() + kLoginPatience; first_waiting < kUsers;) {
    if (now_s() > limit) fail("not all users got in");
    while (users.size() < std::min(kUsers, first_waiting + kAtOnce))
      users.push_back(player("str:user" + std::to_string(users.size()), port));
    while (first_waiting < users.size() && online(*users[first_waiting])) ++first_waiting;
    usleep(1000);
  }
  return users;
}

}  // namespace

// Says that all are there, and keeps them until it is told to end.
void hold_users(const Arguments& arguments) {
  rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  const Users users = log_in(arguments.port);
  wait_for_harness(users.size());
  std::_Exit(0);  // without thousands of goodbyes
}

}  // namespace bench
