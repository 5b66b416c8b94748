#include "relay_names.h"

#include <fmt/core.h>

#include <algorithm>
#include <condition_variable>
#include <iterator>
#include <mutex>
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

void RelayNames::remember(const RelayNames& before) {
  for (const auto& [name, site] : before.sites_)
    remembered_.insert_or_assign(name, std::pair(site.texts, site.known));
}

// Of the lookup that begins with a site; the thread that asks may outlive everybody who waits.
struct RelayNames::FirstAnswer {
  std::mutex mutex;
  std::condition_variable came;
  bool done = false;
  std::optional<Answer> answer;  // of the first one
  std::string not_yet;
};

// By a thread of its own: name servers that do not answer keep the system's resolver for many
// seconds, and a server whose relays are named must come up all the same.
Answer RelayNames::look_up_in_time(NamedSite& site, const std::vector<std::string>& texts,
                                   std::string* not_yet) {
  const auto first = std::make_shared<FirstAnswer>();
  site.lookup = std::make_unique<NameLookup>(
      [resolve = resolve_, texts, first] {
        std::string missing;
        Answer answer = look_up(resolve, texts, &missing);
        const std::lock_guard lock(first->mutex);
        if (!first->answer) {
          first->answer = answer;
          first->not_yet = missing;
        }
        return missing.empty() ? answer : Answer(Error{missing});
      },
      [first] {
        const std::lock_guard lock(first->mutex);
        first->done = true;
        first->came.notify_one();
      });
  site.lookup->start();
  const Clock::time_point now = Clock::now();
  if (patient_until_ == Clock::time_point{}) patient_until_ = now + kPatience;
  std::unique_lock lock(first->mutex);
  const bool in_time =
      first->came.wait_until(lock, std::max(patient_until_, now + kLatePatience),
                             [&] { return first->done && first->answer.has_value(); });
  if (in_time) {
    *not_yet = first->not_yet;
    Answer found = *first->answer;
    lock.unlock();
    site.lookup->take();  // it is told here
    return found;
  }
  lock.unlock();
  *not_yet = "the name servers have not answered yet";
  std::vector<std::string> addresses;
  std::copy_if(texts.begin(), texts.end(), std::back_inserter(addresses),
               [](const std::string& text) { return !is_host_name(text); });
  return look_up(resolve_, addresses, not_yet);
}

std::vector<IpAddress> RelayNames::add(const std::string& site, const std::string& where,
                                       const std::vector<std::string>& texts) {
  std::string not_yet;
  const bool named = std::any_of(texts.begin(), texts.end(), is_host_name);
  NamedSite fresh;
  Answer found =
      named ? look_up_in_time(fresh, texts, &not_yet) : look_up(resolve_, texts, &not_yet);
  if (!found) throw std::runtime_error(where + ": " + found.error());
  if (!not_yet.empty()) {
    warn_(fmt::format("{}: {}; it is looked up again", where, not_yet));
    const auto before = remembered_.find(site);
    if (before != remembered_.end() && before->second.first == texts) found = before->second.second;
  }
  if (looks_local(texts, *found)) {
    warn_(
        fmt::format("{}: here the name stands for a loopback address, which players elsewhere "
                    "cannot reach: give the address itself",
                    where));
  }
  if (named) {
    fresh.texts = texts;
    fresh.known = *found;
    fresh.missing = !not_yet.empty();
    sites_.insert_or_assign(site, std::move(fresh));
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
