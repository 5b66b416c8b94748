#include "limit_warnings.h"

#include <fmt/core.h>

using namespace whimbrel;

std::vector<LimitCount> limit_counts(ServerLoop& loop) {
  relay::RelayCounters relay;
  rendezvous::RendezvousCounters clients;
  rendezvous::LobbyCounters lobbies;
  std::uint64_t stun = 0;
  std::uint64_t handshakes = 0;
  loop.with_every_site([&](Site& site, Instant) {
    if (site.relay() != nullptr) relay += site.relay()->counters();
    stun += site.counters().dropped_stun;
    if (site.control() == nullptr) return;
    const rendezvous::RendezvousServer& server = site.control()->server();
    clients = server.counters();
    handshakes = site.control()->endpoint().counters()[Count::kDroppedHandshakeLoad];
    if (server.lobbies() != nullptr) lobbies = server.lobbies()->counters();
  });
  return {
      {"slots refused: relay.slots_max is reached", relay.refused_full},
      {"slots refused: a user has too many", relay.refused_identity},
      {"relayed packets dropped: a slot sends more than relay.slot_bytes_per_second or "
       "relay.slot_packets_per_second",
       relay.dropped_rate},
      {"opens of slots dropped: relay.opens_per_second is reached", relay.dropped_open_rate},
      {"opens of slots refused: their tokens are not sealed with this relay's site.key. Where a "
       "server "
       "lists this relay under [[sites]], its key_file must be a copy of that file",
       relay.dropped_bad_token},
      {"first packets of clients dropped: there are too many, or too many from one network",
       handshakes},
      {"messages refused: a client sends more than rendezvous.signals_per_second",
       clients.rate_limited},
      {"messages to clients lost: they take them too slowly", clients.dropped_outputs},
      {"requests about lobbies refused: a user makes too many", lobbies.rate_limited},
      {"STUN requests dropped: there are too many, or too many from one network", stun},
  };
}

std::vector<std::string> LimitWarnings::look(const std::vector<LimitCount>& counts,
                                             Clock::time_point now) {
  std::vector<std::string> lines;
  for (const LimitCount& one : counts) {
    Told& told = told_[one.text];
    const bool quiet = told.count > 0 && now - told.when < kInterval;
    if (one.count <= told.count || quiet) continue;
    lines.push_back(fmt::format("{} {}", one.count - told.count, one.text));
    told = {one.count, now};
  }
  return lines;
}
