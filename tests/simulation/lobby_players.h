// What the hosts of a swarm do with the lobbies of its server, and what must hold of them. Dice of
// its own.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "sim/world.h"

namespace whimbrel::sim {

class LobbyPlayers {
 public:
  // The first `count` hosts play.
  LobbyPlayers(World& world, const SiteNode& site, std::uint64_t seed)
      : world_(world), site_(site), random_(seed) {}

  // Something random by somebody; and takes what everybody was told.
  void step(std::size_t count);
  // The same without doing anything.
  void listen(std::size_t count);
  // Where everybody is online and nothing is on its way: what is not so, in words. Empty: all
  // mirrors are what the server says.
  std::string differences(std::size_t count);
  // Lobbies that a host lost though nobody sent it away.
  std::size_t lost() const { return lost_; }
  std::size_t entered() const { return entered_; }

 private:
  void act(Host& host, rendezvous::LobbyClient& lobbies);
  LobbyId any_lobby();

  World& world_;
  const SiteNode& site_;
  FastRandom random_;
  std::vector<LobbyId> known_;
  std::size_t lost_ = 0, entered_ = 0;
};

}  // namespace whimbrel::sim
