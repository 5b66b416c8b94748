// Numbers as a person reads them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <whimbrel/connection_info.h>

// "512 B", "1.5 MiB".
std::string bytes_text(std::uint64_t bytes);
// "41.2 MB/s": 1 MB = 10^6 bytes.
std::string rate_text(double bytes_per_second);
// "0.8 ms", "12 ms", "3.4 s".
std::string duration_text(double seconds);
// "98 %"; "?" when negative (unknown).
std::string share_text(double share);
// "98.25 ms", for round trips.
std::string round_trip_text(double seconds);
// A peer's text with '?' for every control character (those of 8 bits, too) and every byte that is
// no UTF-8: it must not steer the terminal.
std::string printable(std::string_view text);
// A name as people say it: "alice" for str:alice, otherwise the text form, with '?' also for what
// leaves no mark. It stays as it is where it would look like another name, or like something that
// the program says.
std::string short_name(const whimbrel::Identity& user);
// "2026-11-22 22:31:05 UTC".
std::string utc_text(std::int64_t unix_s);
// "unauthenticated, fast"; "none".
std::string flags_text(int flags);
