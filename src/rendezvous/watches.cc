#include "rendezvous/watches.h"

#include <algorithm>
#include <utility>

namespace whimbrel::rendezvous {

namespace {

// Where the server does not say what it takes: what one takes that was not told otherwise.
constexpr std::uint32_t kRequestsUsual = 200;
// Shares of that: the rest is for whoever wants to talk.
constexpr double kPaceShare = 1.0 / 8;
constexpr double kBurstShare = 1.0 / 4;
// Of what is to be said. Over it an end is not: the server's next word about that user is answered
// by it.
constexpr std::size_t kToSayMax = 2 * Watches::kMax;

}  // namespace

bool Watches::add(const Identity& user) {
  if (users_.contains(user)) return true;
  if (users_.size() >= kMax) return false;
  // Where an end is still to be said, the server has the watch of before.
  const bool said = std::find(to_say_.begin(), to_say_.end(), user) != to_say_.end();
  users_[user].said = said;
  say(user);
  return true;
}

void Watches::remove(const Identity& user) {
  const auto at = users_.find(user);
  if (at == users_.end()) return;
  const bool said = at->second.said;
  doubt(at->second, false);
  users_.erase(at);
  if (said) return say(user);
  std::erase(to_say_, user);
}

void Watches::say(const Identity& user) {
  if (!online_ || std::find(to_say_.begin(), to_say_.end(), user) != to_say_.end()) return;
  if (to_say_.size() < kToSayMax || users_.contains(user)) to_say_.push_back(user);
}

void Watches::on_online(std::uint32_t requests_per_second, Instant now, Duration ping_interval) {
  const double requests = requests_per_second == 0 ? kRequestsUsual : requests_per_second;
  pace_ = TokenBucket(requests * kPaceShare, std::max(1.0, requests * kBurstShare), now);
  online_ = true;
  retry_at_ = kNever;
  grace_ends_ = now + kGrace + kGraceOfSeldomPings * (ping_interval - kPingInterval);
  to_say_.clear();
  for (auto& [user, watched] : users_) {
    watched.said = watched.answered = false;
    doubt(watched, false);
    to_say_.push_back(user);
  }
}

void Watches::on_offline() {
  online_ = false;
  retry_at_ = kNever;
  to_say_.clear();
  for (auto& [user, watched] : users_) doubt(watched, false);
}

void Watches::doubt(Watched& watched, bool on) {
  if (watched.doubtful == on) return;
  watched.doubtful = on;
  doubtful_ = on ? doubtful_ + 1 : doubtful_ - 1;
}

bool Watches::on_presence(const Identity& user, bool online, Instant now) {
  const auto at = users_.find(user);
  if (at == users_.end()) {
    say(user);  // the server has missed that nobody asks any more
    return false;
  }
  Watched& watched = at->second;
  const bool first = !std::exchange(watched.answered, true);
  if (online) {
    doubt(watched, false);
  } else if (watched.online == true && (watched.doubtful || (first && now < grace_ends_))) {
    doubt(watched, true);
    return false;
  }
  return std::exchange(watched.online, online) != online;
}

std::optional<Identity> Watches::poll_gone(Instant now) {
  if (doubtful_ == 0 || now < grace_ends_) return std::nullopt;
  const auto at = std::find_if(users_.begin(), users_.end(),
                               [](const auto& one) { return one.second.doubtful; });
  doubt(at->second, false);
  at->second.online = false;
  return at->first;
}

void Watches::ask_again(Instant now) {
  if (now < retry_at_) return;
  retry_at_ = kNever;
  for (const auto& [user, watched] : users_) {
    if (!watched.answered) say(user);
  }
}

std::optional<Watch> Watches::poll(Instant now) {
  ask_again(now);
  if (to_say_.empty() || !pace_.take(1, now)) return std::nullopt;
  const Identity user = to_say_.front();
  to_say_.pop_front();
  const auto watched = users_.find(user);
  const bool on = watched != users_.end();
  if (on) {
    watched->second.said = true;
    retry_at_ = std::min(retry_at_, now + kRetry);
  }
  return Watch{user.text(), on};
}

Instant Watches::next_deadline() const {
  Instant next = doubtful_ > 0 ? std::min(retry_at_, grace_ends_) : retry_at_;
  if (!to_say_.empty()) next = std::min(next, pace_.when(1));
  return next;
}

}  // namespace whimbrel::rendezvous
