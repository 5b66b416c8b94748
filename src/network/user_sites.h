#pragma once

#include <string>

namespace whimbrel {

// The sites that a user is reached over; empty names without a server, or where that is not known.
struct UserSites {
  std::string relay;  // that our packets go over; empty: none at the moment, or a direct way
  std::string home;   // what the peer calls its home
};

}  // namespace whimbrel
