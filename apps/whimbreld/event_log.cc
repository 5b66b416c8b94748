#include "event_log.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "io/key_files.h"
#include "text.h"

using namespace whimbrel;
using rendezvous::RefusalCode;
using rendezvous::RendezvousEvent;

namespace {

constexpr std::chrono::seconds kMinute{60};

const char* reason_of(RefusalCode code) {
  switch (code) {
    case RefusalCode::kUnsupported:
      return "its program speaks another version";
    case RefusalCode::kBadIdentity:
      return "no name that this server gives or takes";
    case RefusalCode::kNameTaken:
      return "the name belongs to another key, or the key has as many as it may (names_of_key)";
    case RefusalCode::kBadToken:
      return "its token is not valid";
    case RefusalCode::kWrongApp:
      return "it is of another application";
    case RefusalCode::kRevoked:
      return "its key was revoked";
    case RefusalCode::kFull:
      return "the server is full (rendezvous.clients_max)";
    case RefusalCode::kTooOften:
      return "too many new names (new_names_per_minute, new_names_of_network)";
    case RefusalCode::kUnavailable:
      return "the database cannot be used";
    default:
      return "it breaks the protocol";
  }
}

const char* reason_of(rendezvous::PutOut why) {
  switch (why) {
    case rendezvous::PutOut::kRevoked:
      return "its key was revoked";
    case rendezvous::PutOut::kLoginOver:
      return "its login is over, and it has given no new token";
    case rendezvous::PutOut::kTooSlow:
      return "it takes its messages too slowly";
  }
  return "";
}

const char* reason_of(relay::Refusal refusal) {
  switch (refusal) {
    case relay::Refusal::kFull:
      return "there is none left";
    case relay::Refusal::kDraining:
      return "the relay is about to stop";
    case relay::Refusal::kIdentityLimit:
      return "the user has too many";
    case relay::Refusal::kExpired:
      return "its ticket is too old";
  }
  return "";
}

}  // namespace

std::string network_text(const IpAddress& address) {
  IpAddress network = address;
  network.port = 0;
  const bool v4 = address.is_v4();
  std::fill(network.bytes.begin() + (v4 ? 15 : 6), network.bytes.end(), std::uint8_t{0});
  return network.text() + (v4 ? "/24" : "/48");
}

std::vector<EventLog::Line> EventLog::look(const std::vector<SiteEvents>& events, bool debug,
                                           Clock::time_point now) {
  if (now - minute_ >= kMinute) tell_counted(now);
  for (const SiteEvents& site : events) {
    for (const RendezvousEvent& event : site.rendezvous.events) tell(event, debug);
    for (const relay::SlotEvent& event : site.relay.events) {
      if (debug) tell(event);
    }
    lost_ += site.rendezvous.lost + (debug ? site.relay.lost : 0);
  }
  tell_limited();
  return std::exchange(lines_, {});
}

void EventLog::tell(const RendezvousEvent& event, bool debug) {
  const std::string who =
      fmt::format("{}, application {}, key {}, from {}",
                  event.identity.empty() ? "no name" : quoted_text(event.identity), event.app_id,
                  to_hex(event.key.view()), network_text(event.from));
  switch (event.kind) {
    case RendezvousEvent::Kind::kLogin:
      if (debug) lines_.push_back({true, "login: " + who});
      return;
    case RendezvousEvent::Kind::kLoginRefused:
      tell_limited(fmt::format("login refused: {}", reason_of(event.code)), event.from);
      if (debug) {
        lines_.push_back(
            {true, fmt::format("login refused: {}: {}", who, quoted_text(event.text))});
      }
      return;
    case RendezvousEvent::Kind::kPutOut:
      tell_limited(fmt::format("a user is put out: {}", reason_of(event.put_out)), event.from);
      if (debug) lines_.push_back({true, "put out: " + who});
      return;
    case RendezvousEvent::Kind::kRevoked:
      lines_.push_back(
          {false, fmt::format("a revocation takes effect: key {}", to_hex(event.key.view()))});
      return;
  }
}

void EventLog::tell(const relay::SlotEvent& event) {
  const std::string network = network_text(event.from);
  switch (event.kind) {
    case relay::SlotEvent::Kind::kOpened:
      lines_.push_back(
          {true, fmt::format("slot {:08x} opened, from {}", event.slot.value, network)});
      return;
    case relay::SlotEvent::Kind::kClosed:
      lines_.push_back(
          {true, fmt::format("slot {:08x} closed, from {}", event.slot.value, network)});
      return;
    case relay::SlotEvent::Kind::kRefused:
      lines_.push_back(
          {true, fmt::format("slot refused: {}; from {}", reason_of(event.refusal), network)});
      return;
  }
}

void EventLog::tell_limited(const std::string& what, const IpAddress& from) {
  ++limited_[{what, network_text(from)}];
}

void EventLog::tell_limited() {
  for (const auto& [one, count] : std::exchange(limited_, {})) {
    const auto& [what, network] = one;
    if (told_ < kLinesOfMinute) {
      ++told_;
      const std::string times = count > 1 ? fmt::format(" ({} times)", count) : "";
      lines_.push_back({false, fmt::format("{}; from {}{}", what, network, times)});
      continue;
    }
    reasons_[what] += count;
    if (networks_.size() < kNetworksMax || networks_.contains(network)) networks_[network] += count;
  }
}

void EventLog::tell_counted(Clock::time_point now) {
  if (!reasons_.empty() || lost_ > 0) {
    std::vector<std::string> counts;
    for (const auto& [reason, count] : reasons_)
      counts.push_back(fmt::format("{} times {}", count, reason));
    if (lost_ > 0) counts.push_back(fmt::format("{} more events", lost_));
    const auto most =
        std::max_element(networks_.begin(), networks_.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    std::string text = fmt::format("too many for a line each: {}", fmt::join(counts, "; "));
    if (most != networks_.end())
      text += fmt::format("; most from {} ({})", most->first, most->second);
    lines_.push_back({false, std::move(text)});
  }
  minute_ = now;
  told_ = 0;
  lost_ = 0;
  reasons_.clear();
  networks_.clear();
}
