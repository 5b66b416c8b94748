// Simulated rows of bench_sim about servers: how long strangers take to meet, and what an outage of
// a relay costs.
#pragma once

#include <string_view>

namespace bench {

// False: no such row.
bool run_server_row(std::string_view row);

}  // namespace bench
