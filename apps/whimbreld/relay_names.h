// The addresses of relays that clients are told of. What is written as a host name is looked up
// again and again: it may stand for another machine by then, or could not be looked up when the
// server began.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/ip_address.h"
#include "io/name_lookup.h"

class RelayNames {
 public:
  using Clock = std::chrono::steady_clock;
  using Say = std::function<void(const std::string& text)>;
  static constexpr std::chrono::seconds kInterval{60};
  // While there is one that is not found.
  static constexpr std::chrono::seconds kIntervalMissing{5};
  // What add() waits for name servers, all calls together; a name that comes later has
  // kLatePatience.
  static constexpr std::chrono::milliseconds kPatience{2000};
  static constexpr std::chrono::milliseconds kLatePatience{100};

  // As resolve_addresses().
  using Resolve =
      std::function<whimbrel::NameLookup::Answer(const std::string& text, std::string* not_yet)>;

  // `warn`: what an operator should know.
  explicit RelayNames(Say warn, Resolve resolve = resolver())
      : warn_(std::move(warn)), resolve_(std::move(resolve)) {}

  // Those that are added again with the same texts, and cannot be looked up now, have the addresses
  // that they had there.
  void remember(const RelayNames& before);

  // HOST:PORT or IP:PORT each: all their addresses. What can't be looked up at the moment is left
  // out, with a warning; tick() tells of it when it is there. Throws std::runtime_error, whose text
  // begins with `where`: a text is no address, or none that a client could send to.
  std::vector<whimbrel::IpAddress> add(const std::string& site, const std::string& where,
                                       const std::vector<std::string>& texts);

  // Whether tick() has something to do.
  bool any() const { return !sites_.empty(); }
  // Asks what is due. Calls `changed` for each site that has other addresses now, never with none.
  void tick(Clock::time_point now,
            const std::function<void(const std::string& site,
                                     const std::vector<whimbrel::IpAddress>& addresses)>& changed);

 private:
  struct FirstAnswer;
  struct NamedSite {
    std::vector<std::string> texts;
    std::vector<whimbrel::IpAddress> known;
    std::unique_ptr<whimbrel::NameLookup> lookup;
    Clock::time_point ask_at{};
    bool missing = false;
  };

  // The system's.
  static Resolve resolver();
  whimbrel::NameLookup::Answer look_up_in_time(NamedSite& site,
                                               const std::vector<std::string>& texts,
                                               std::string* not_yet);

  Say warn_;
  Resolve resolve_;
  std::map<std::string, NamedSite> sites_;  // those with a name among their addresses
  std::map<std::string, std::pair<std::vector<std::string>, std::vector<whimbrel::IpAddress>>>
      remembered_;
  Clock::time_point patient_until_{};  // set by the first name
};
