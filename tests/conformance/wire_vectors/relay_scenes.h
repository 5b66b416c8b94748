// Sessions over relays: each relay to the other end is a path.
#pragma once

#include <string>

namespace whimbrel::vectors {

// A relay dies under traffic, and comes back.
void relay_dies(std::string& out);
// Relays are taken away for good, the first path's among them, and others come.
void relay_is_taken_away(std::string& out);
// Keys change while all leaves on two paths. In the second suite, whose nonce has another byte
// order.
void keys_on_two_paths(std::string& out);
// What comes on a path on which nothing can be sent is acknowledged on another one.
void acknowledged_elsewhere(std::string& out);

}  // namespace whimbrel::vectors
