// RendezvousServer: pings, and clients that have fallen silent.
#include <algorithm>

#include "rendezvous/rendezvous_server.h"

namespace whimbrel::rendezvous {

void RendezvousServer::on(ClientId id, Client& client, const Ping& ping, Instant) {
  client.ping_interval = ping_interval();
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(*client.ping_interval);
  send(id, Pong{ping.number, static_cast<std::uint8_t>(whole.count())});
}

// With many users each pings less often: pings are all that an idle user costs.
Duration RendezvousServer::ping_interval() const {
  const auto whole =
      static_cast<std::int64_t>(static_cast<double>(by_user_.size()) / limits_.pings_per_second);
  return std::clamp(Duration(seconds(whole)), kPingInterval, kPingIntervalMax);
}

Duration RendezvousServer::silence_max(const Client& client) const {
  if (!client.ping_interval) return limits_.silence_at_first_max;
  return std::chrono::duration_cast<Duration>(limits_.silence_pings_max * *client.ping_interval);
}

// If a program was killed, or its network is gone, only its silence tells.
void RendezvousServer::close_silent(Instant now) {
  while (!looks_due_.empty() && looks_due_.front().first <= now) {
    const ClientId id = looks_due_.front().second;
    looks_due_.pop_front();
    const auto at = clients_.find(id);
    if (at == clients_.end()) continue;
    if (now - at->second.heard >= silence_max(at->second)) {
      close_as_silent(id, now);
    } else if (now >= at->second.renewable_until) {
      refuse(id, 0, RefusalCode::kBadToken, "the login is over: a new token is needed");
      put_out(id, PutOut::kLoginOver, now);
    } else {
      looks_due_.emplace_back(now + kSilenceInterval, id);
    }
  }
}

void RendezvousServer::close_as_silent(ClientId id, Instant now) {
  ++counters_.silent;
  const auto& user = clients_.at(id).user;
  if (lobbies_ && user) lobbies_->on_silent(*user, now);
  close(id, now);
}

// A user who is offline has the same time to come back.
void RendezvousServer::doubt(const LobbyUser& user) {
  if (!asked_.try_emplace(user, now_).second) return;
  answers_due_.emplace_back(now_ + limits_.answer_time, user);
  const auto at = by_user_.find(user);
  if (at != by_user_.end()) send(at->second, Check{});
}

void RendezvousServer::close_unanswered(Instant now) {
  while (!answers_due_.empty() && answers_due_.front().first <= now) {
    const User user = answers_due_.front().second;
    answers_due_.pop_front();
    const Instant asked = asked_.extract(user).mapped();
    const auto at = by_user_.find(user);
    if (at == by_user_.end()) {
      lobbies_->on_silent(user, now);
    } else if (clients_.at(at->second).heard < asked) {
      close_as_silent(at->second, now);
    }
  }
}

}  // namespace whimbrel::rendezvous
