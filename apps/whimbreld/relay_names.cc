#include "relay_names.h"

#include <fmt/core.h>

#include <algorithm>
#include <stdexcept>

#include "io/resolve.h"
#include "rendezvous/messages.h"

using namespace whimbrel;

namespace {

using Answer = NameLookup::Answer;

// All that can be found at the moment; `not_yet` tells why something can't.
Answer look_up(const RelayNames::Resolve& resolve, const std::vector<std::string>& texts,
               std::string* not_yet) {
  std::vector<IpAddress> all;
  for (const std::string& text : texts) {
    const Answer found = resolve(text, not_yet);
    if (!found) return Error{found.error()};
    for (const IpAddress& one : *found) {
      if (one.is_unspecified())
        return Error{"'" + text + "' is no address that clients could reach"};
      if (std::find(all.begin(), all.end(), one) == all.end()) all.push_back(one);
    }
  }
  if (all.size() > rendezvous::kSiteAddressesMax) all.resize(rendezvous::kSiteAddressesMax);
  return all;
}

// Debian gives a machine's own name the address 127.0.1.1, which is of no use to others.
bool looks_local(const std::vector<std::string>& texts, const std::vector<IpAddress>& found) {
  const bool named = std::any_of(texts.begin(), texts.end(), [](const std::string& text) {
    return is_host_name(text) && !text.starts_with("localhost:");
  });
  return named && std::any_of(found.begin(), found.end(),
                              [](const IpAddress& one) { return one.is_loopback(); });
}

}  // namespace

RelayNames::Resolve RelayNames::resolver() {
  return [](const std::string& text, std::string* not_yet) {
    return resolve_addresses(text, {}, not_yet);
  };
}

std::vector<IpAddress> RelayNames::add(const std::string& site, const std::string& where,
                                       const std::vector<std::string>& texts) {
  std::string not_yet;
  Answer found = look_up(resolve_, texts, &not_yet);
  if (!found) throw std::runtime_error(where + ": " + found.error());
  if (!not_yet.empty()) warn_(fmt::format("{}: {}; it is looked up again", where, not_yet));
  if (looks_local(texts, *found)) {
    warn_(
        fmt::format("{}: here the name stands for a loopback address, which players elsewhere "
                    "cannot reach: give the address itself",
                    where));
  }
  if (std::any_of(texts.begin(), texts.end(), is_host_name)) {
    Site& named = sites_[site];
    named.known = *found;
    named.missing = !not_yet.empty();
    named.lookup = std::make_unique<NameLookup>(
        [resolve = resolve_, texts] {
          std::string missing;
          Answer answer = look_up(resolve, texts, &missing);
          return missing.empty() ? answer : Answer(Error{missing});
        },
        [] {});
  }
  return *found;
}

void RelayNames::tick(
    Clock::time_point now,
    const std::function<void(const std::string&, const std::vector<IpAddress>&)>& changed) {
  for (auto& [name, site] : sites_) {
    if (const auto answer = site.lookup->take()) {
      if (!*answer && !site.missing) warn_(fmt::format("site \"{}\": {}", name, answer->error()));
      site.missing = !*answer;
      if (*answer && **answer != site.known) {
        site.known = **answer;
        changed(name, site.known);
      }
    }
    if (now < site.ask_at) continue;
    site.ask_at = now + (site.missing ? kIntervalMissing : kInterval);
    site.lookup->start();
  }
}
