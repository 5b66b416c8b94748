// Whether the relays of [[sites]] take the tickets that this server gives out: it asks them itself,
// once a minute, as a player would. A relay drops tickets that are sealed with another key without
// a word, so no player could say what is wrong.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crypto/secure_random.h"
#include "io/clock.h"
#include "io/udp_socket.h"
#include "relay/leg.h"
#include "site/site.h"

class SiteCheck {
 public:
  using Clock = std::chrono::steady_clock;
  using Warn = std::function<void(const std::string& text)>;
  static constexpr std::chrono::seconds kInterval{60};
  // For an answer of any of its addresses.
  static constexpr std::chrono::seconds kPatience{8};

  struct Target {
    whimbrel::OtherSite site;
    std::string key_file;
  };
  SiteCheck(std::vector<Target> targets, Warn warn);

  void set_addresses(const std::string& site, const std::vector<whimbrel::IpAddress>& addresses);
  // To be called every second.
  void tick(Clock::time_point now);

 private:
  // One question to one address.
  struct Probe {
    whimbrel::IpAddress address;
    std::unique_ptr<whimbrel::UdpSocket> socket;
    std::unique_ptr<whimbrel::relay::Leg> leg;
    bool answers = false;  // to STUN
    bool opened = false;
    bool old = false;  // refused for its date
    bool other_name = false;
  };
  struct CheckedSite {
    Target target;
    Clock::time_point next{};
    Clock::time_point begun{};
    std::vector<Probe> probes;
    bool silent = false;  // that was said
  };

  void begin(CheckedSite& site, Clock::time_point now);
  void ask(Probe& probe);
  void take(Probe& probe, whimbrel::MutableBytes datagram);
  void listen(Probe& probe, const std::string& name);
  // Whether there is no more to wait for.
  static bool settled(const CheckedSite& site);
  void end(CheckedSite& site);
  std::string fault_of(const CheckedSite& site) const;

  Warn warn_;
  whimbrel::SecureRandom random_;
  whimbrel::Clock clock_;
  std::vector<CheckedSite> sites_;
};
