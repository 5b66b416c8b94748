#include "api/server_status.h"

namespace whimbrel {

namespace {

int ping_of(Duration rtt) {
  return rtt > Duration::zero() ? static_cast<int>((to_microseconds(rtt) + 500) / 1000) : -1;
}

ServerStatus::State state_of(NetworkStatus::State state) {
  switch (state) {
    case NetworkStatus::State::kNone:
      break;
    case NetworkStatus::State::kConnecting:
      return ServerStatus::State::kConnecting;
    case NetworkStatus::State::kOnline:
      return ServerStatus::State::kOnline;
    case NetworkStatus::State::kRefused:
      return ServerStatus::State::kRefused;
  }
  return ServerStatus::State::kNone;
}

}  // namespace

ServerStatus public_status(const NetworkStatus& inside) {
  ServerStatus status;
  status.state = state_of(inside.state);
  status.relay = inside.relay;
  status.relay_ping_ms = ping_of(inside.relay_rtt);
  status.site = inside.site;
  for (const RelayStatus& relay : inside.relays) {
    status.relays.push_back({relay.site, relay.address.text(), relay.open, relay.home, relay.backup,
                             ping_of(relay.rtt)});
  }
  status.text = inside.text;
  return status;
}

}  // namespace whimbrel
