// Relays of a recorded session. Each end has a slot at each relay's site, and the server brings it
// signals. In the simulated network each of these is an address that stands for it; the recording
// has what it stands for.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "base/remote.h"
#include "session/carrier.h"
#include "sim/simulation.h"

namespace whimbrel::vectors {

class Scene;

// The slot of an end at a site: end 0 has slot 11 at site 1, end 1 has slot 22 at site 2.
RelayRemote slot_of(std::uint32_t site, std::size_t end);
// An address stands for itself.
IpAddress stand_in_for(const Remote& remote);
Remote remote_behind(const IpAddress& address);
// Where what an end sends to `target` comes from; `address` is its own one.
Remote source_of(const Remote& target, std::size_t end, const IpAddress& address);
// "10.0.0.1:4000", "site 1 slot 11", "user 0" (a signal for end 0).
std::string place_text(const Remote& remote);

// The relays between the two ends of a scene, both of them EndpointPeers. Must outlive the scene's
// last run.
class Relays {
 public:
  struct Site {
    std::uint32_t site = 0;
    Duration one_way{};  // beside the way from the sender to the relay
  };
  Relays(Scene& scene, std::initializer_list<Site> sites);
  ~Relays();

  struct State {
    std::uint32_t site = 0;
    CarrierState state = CarrierState::kUp;
  };
  // What an end knows of the relays to the other one: of all of them.
  void tell(std::size_t end, std::initializer_list<State> states);
  void tell_both(std::initializer_list<State> states);
  // Packets over it vanish, those of both ends.
  void set_dead(std::uint32_t site, bool dead);

 private:
  // Where packets reach an end.
  class Place;

  void add(std::uint32_t site, std::size_t end, const Remote& here, const Remote& there,
           Duration one_way);

  Scene& scene_;
  std::vector<std::unique_ptr<Place>> places_;
};

}  // namespace whimbrel::vectors
