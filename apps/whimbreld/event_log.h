// What happened at the server, as lines for its operator. At level info there are networks (a /24
// of IPv4, a /48 of IPv6) and keys, and no names; names are for level debug. What others chose is
// quoted, with nothing in it that a terminal would obey.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "site/site.h"

// "203.0.113.0/24", "2001:db8:7::/48".
std::string network_text(const whimbrel::IpAddress& address);

class EventLog {
 public:
  using Clock = std::chrono::steady_clock;
  // Whatever anybody does fills no disk: so many lines of refusals in a minute, and the rest in one
  // that counts them.
  static constexpr std::size_t kLinesOfMinute = 20;
  static constexpr std::size_t kNetworksMax = 1000;

  struct Line {
    bool debug = false;
    std::string text;
  };
  // `debug`: lines of that level are wanted, too. To be called again and again, also without
  // events.
  std::vector<Line> look(const std::vector<whimbrel::SiteEvents>& events, bool debug,
                         Clock::time_point now);

 private:
  void tell(const whimbrel::rendezvous::RendezvousEvent& event, bool debug);
  void tell(const whimbrel::relay::SlotEvent& event);
  // One line for the same of one network; at most kLinesOfMinute, and the others are counted by
  // reason.
  void tell_limited(const std::string& what, const whimbrel::IpAddress& from);
  void tell_limited();
  void tell_counted(Clock::time_point now);

  std::vector<Line> lines_;
  std::map<std::pair<std::string, std::string>, std::uint64_t>
      limited_;           // what, and from which network
  std::size_t told_ = 0;  // of this minute
  Clock::time_point minute_{};
  std::map<std::string, std::uint64_t> reasons_;   // of what was not told
  std::map<std::string, std::uint64_t> networks_;  // likewise
  std::uint64_t lost_ = 0;
};
