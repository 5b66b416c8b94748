#include "tests/simulation/lobby_players.h"

#include <algorithm>

namespace whimbrel::sim {

namespace {

using rendezvous::LobbyClient;
using rendezvous::LobbyServer;

constexpr std::size_t kKnownMax = 6;

// Both sides in the same words.
template <typename Members>
std::string text_of(const Identity& owner, const Members& members,
                    const std::vector<std::pair<std::string, std::string>>& data) {
  std::string text = "owner " + owner.text();
  for (const auto& member : members) {
    text += ", " + member.identity.text();
    for (const auto& [key, value] : member.data) text += " " + key + "=" + value;
  }
  for (const auto& [key, value] : data) text += ", " + key + "=" + value;
  return text;
}

std::string text_of(const Lobby& mirror) {
  return text_of(mirror.owner, mirror.members, {mirror.data.begin(), mirror.data.end()});
}

std::string text_of(const rendezvous::Lobby& lobby) {
  std::vector<std::pair<std::string, std::string>> data;
  for (const auto& datum : lobby.entered(0).data) data.emplace_back(datum.key, datum.value);
  return text_of(lobby.owner(), lobby.members(), data);
}

}  // namespace

LobbyId LobbyPlayers::any_lobby() {
  return known_.empty() ? LobbyId{1} : known_[random_.below(known_.size())];
}

void LobbyPlayers::act(Host& host, LobbyClient& lobbies) {
  const Instant now = host.now();
  const LobbyId lobby = any_lobby();
  const Identity other = world_.host(random_.below(world_.host_count())).identity();
  const std::string key = "k" + std::to_string(random_.below(4));
  const std::string value(random_.below(40), static_cast<char>('a' + random_.below(26)));
  const auto places = static_cast<std::uint8_t>(1 + random_.below(6));
  switch (random_.below(12)) {
    case 0:
      return void(lobbies.create(LobbyKind::kPublic, places, now));
    case 1:
    case 2:
    case 3:
      return void(lobbies.join(lobby, now));
    case 4:
      return void(lobbies.leave(lobby, now));
    case 5:
      return void(lobbies.set_data(lobby, key, value, now));
    case 6:
      return void(lobbies.remove_data(lobby, key, now));
    case 7:
    case 8:
      return void(lobbies.set_member_data(lobby, key, value, now));
    case 9:
      return void(lobbies.chat(lobby, {1, 2, 3}, now));
    case 10:
      return void(random_.chance(0.3) ? lobbies.kick(lobby, other, now)
                                      : lobbies.set_owner(lobby, other, now));
    default:
      return void(lobbies.configure(lobby, LobbyKind::kPublic, places, random_.chance(0.7), now));
  }
}

void LobbyPlayers::step(std::size_t count) {
  Host& host = world_.host(random_.below(count));
  LobbyClient* lobbies = host.lobbies();
  if (lobbies != nullptr && !world_.simulation().asleep(host.id())) {
    act(host, *lobbies);
    world_.simulation().touch(host.id());
  }
  listen(count);
}

void LobbyPlayers::listen(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    LobbyClient* lobbies = world_.host(i).lobbies();
    if (lobbies == nullptr) continue;
    while (const auto event = lobbies->poll_event()) {
      if (const auto* entered = std::get_if<rendezvous::LobbyEnteredEvent>(&*event)) {
        ++entered_;
        if (std::find(known_.begin(), known_.end(), entered->lobby) != known_.end()) continue;
        if (known_.size() == kKnownMax) known_.erase(known_.begin());
        known_.push_back(entered->lobby);
      } else if (const auto* gone = std::get_if<rendezvous::LobbyGoneEvent>(&*event)) {
        if (gone->why == LobbyLeaveWhy::kDisconnected) ++lost_;
      }
    }
  }
}

std::string LobbyPlayers::differences(std::size_t count) {
  std::string text;
  const LobbyServer& server = *site_.site()->control()->server().lobbies();
  std::size_t places = 0;
  for (std::size_t i = 0; i < count; ++i) {
    Host& host = world_.host(i);
    for (const auto& [id, mirror] : host.lobbies()->lobbies()) {
      ++places;
      const rendezvous::Lobby* lobby = server.find(host.config().app_id, id);
      const std::string there = lobby == nullptr ? "nothing" : text_of(*lobby);
      if (there == text_of(mirror)) continue;
      text += "host " + std::to_string(i) + " has of lobby " + to_string(id) + " \"" +
              text_of(mirror) + "\", the server \"" + there + "\"; ";
    }
  }
  if (places != server.place_count()) {
    text += "the server has " + std::to_string(server.place_count()) + " members, of whom " +
            std::to_string(places) + " know it; ";
  }
  return text;
}

}  // namespace whimbrel::sim
