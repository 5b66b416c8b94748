#include "traversal/stun_probes.h"

#include <algorithm>

namespace whimbrel {

namespace {

// RFC 8445 14.2 paces checks by 50 ms. These go to different hosts, and a round has to end before
// anybody waits for it.
constexpr Duration kPace = milliseconds(5);
// An answer that comes later does not count.
constexpr Duration kAnswerTime = milliseconds(800);
// Added to a site's score for each lost probe.
constexpr Duration kLossCost = milliseconds(20);

}  // namespace

void StunProbes::start(const std::vector<IpAddress>& addresses, Instant now) {
  ASSERT(addresses.size() <= kAddressesMax);
  if (running() || addresses.empty()) return;
  targets_.clear();
  for (const IpAddress& address : addresses) targets_.push_back({address, {}});
  round_ = 1;
  place_ = 0;
  next_send_ = now;
  end_ = kNever;
  first_answer_.reset();
}

bool StunProbes::receive(const IpAddress& from, Bytes datagram, Instant now) {
  const auto response = read_binding_response(datagram);
  if (!response) return false;
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    if (targets_[i].address != from) continue;
    for (Probe& probe : targets_[i].probes) {
      if (probe.transaction != response->transaction || probe.took) continue;
      probe.took = now - probe.sent;
      if (!first_answer_) first_answer_ = i;
      if (end_ != kNever && all_answered()) end_ = now;
      return true;
    }
  }
  return false;
}

std::optional<StunProbes::Request> StunProbes::poll_transmit(MutableBytes buffer, Instant now) {
  if (now < next_send_) return std::nullopt;
  Target& target = targets_[place_];
  Probe& probe = target.probes.emplace_back();
  random_.fill(probe.transaction);
  probe.sent = now;
  const Request request{target.address, write_binding_request(buffer, probe.transaction)};
  next_send_ = now + kPace;
  if (++place_ == targets_.size()) {
    place_ = 0;
    if (round_++ == kProbesPerRound) {
      next_send_ = kNever;
      end_ = now + kAnswerTime;
    }
  }
  return request;
}

bool StunProbes::all_answered() const {
  return std::all_of(targets_.begin(), targets_.end(), [](const Target& target) {
    return std::all_of(target.probes.begin(), target.probes.end(),
                       [](const Probe& probe) { return probe.took.has_value(); });
  });
}

bool StunProbes::poll_done(Instant now) {
  if (end_ == kNever) return false;
  if (now < end_) return false;
  round_ = 0;
  end_ = kNever;
  return true;
}

Instant StunProbes::next_deadline() const { return std::min(next_send_, end_); }

std::optional<Duration> StunProbes::score(std::size_t address) const {
  if (address >= targets_.size()) return std::nullopt;
  const std::vector<Probe>& probes = targets_[address].probes;
  std::vector<Duration> took;
  std::int64_t lost = 0;
  for (std::size_t i = 0; i < probes.size(); ++i) {
    if (!probes[i].took) {
      ++lost;
    } else if (i > 0) {
      took.push_back(*probes[i].took);
    }
  }
  if (took.empty()) {
    if (probes.empty() || !probes[0].took) return std::nullopt;
    took.push_back(*probes[0].took);
  }
  std::sort(took.begin(), took.end());
  return took[took.size() / 2] + (took.back() - took.front()) / 2 + lost * kLossCost;
}

}  // namespace whimbrel
