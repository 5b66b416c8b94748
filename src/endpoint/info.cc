// Endpoint: what it tells of its sessions.
#include <algorithm>
#include <cstdio>

#include "endpoint/endpoint_impl.h"

namespace whimbrel {

std::optional<SessionLine> Endpoint::line_of(const Identity& user) const {
  const Peer* peer = impl_->find(user);
  const Session* session = peer != nullptr ? peer->session() : nullptr;
  if (session == nullptr) return std::nullopt;
  const IpAddress* address = session->remote().udp();
  if (address == nullptr) return std::nullopt;
  return SessionLine{*address, session->local_index(), session->remote_index()};
}

std::optional<Remote> Endpoint::remote_of(const Identity& user) const {
  const Peer* peer = impl_->find(user);
  const Session* session = peer != nullptr ? peer->session() : nullptr;
  if (session == nullptr) return std::nullopt;
  return session->remote();
}

std::optional<PublicKey> Endpoint::key_of(const Identity& user) const {
  const Peer* peer = impl_->find(user);
  if (peer == nullptr || peer->session() == nullptr) return std::nullopt;
  return peer->key;
}

namespace {
constexpr float kUnknown = -1;

std::string milliseconds_text(Duration d) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f ms", to_seconds(d) * 1000);
  return text;
}
}  // namespace

std::string Endpoint::Impl::describe(const Peer& peer, Instant) const {
  std::string name = peer.user.text();
  if (peer.is<Peer::Loopback>()) return name + " within this process";
  if (peer.up()) {
    const PathStats path = peer.session()->path_stats();
    const Remote& remote = peer.session()->remote();
    return name + (remote.udp() != nullptr ? " direct " + remote.text() : " over the relay") +
           (path.has_rtt ? ", " + milliseconds_text(path.rtt_smoothed) : std::string());
  }
  if (const Dial* dial = peer.dial()) {
    const bool direct = dial->to().udp() != nullptr;
    return name + " calling " + (direct ? dial->tried() : "through the server");
  }
  return name;
}

void Endpoint::Impl::fill_info(const Peer& peer, Instant now, ConnectionInfo& info) const {
  info.identity = peer.user;
  info.alias = peer.alias;
  info.debug_description = describe(peer, now);
  info.user_data = peer.user_data;
  if (peer.is<Peer::Loopback>()) {
    info.state = ConnectionState::kConnected;
    info.flags = kInfoLoopbackBuffers | kInfoFast;
    return;
  }
  info.state = peer.up()                   ? ConnectionState::kConnected
               : peer.is<Peer::Answered>() ? ConnectionState::kFindingRoute
                                           : ConnectionState::kConnecting;
  Remote remote;
  if (const Dial* dial = peer.dial()) remote = dial->to();
  if (const Session* session = peer.session()) remote = session->remote();
  const IpAddress* address = remote.udp();
  if (address == nullptr) {
    info.flags |= kInfoRelayed;
  } else if (!address->empty()) {
    info.remote_address = address->text();
  }
  if (peer.certificate != CertificateStatus::kValid) info.flags |= kInfoUnauthenticated;
  if (address != nullptr && address->is_loopback()) info.flags |= kInfoFast;
}

void Endpoint::Impl::fill_status(const Peer& peer, Instant now, ConnectionStatus& status) const {
  status.pending_reliable = static_cast<std::int64_t>(peer.waiting_bytes());
  const Peer::Making* making = peer.making();
  if (making != nullptr && making->waiting)
    status.unreliable_expired = static_cast<std::int64_t>(making->waiting->dropped_count());
  if (peer.session() == nullptr) return;
  const Session& session = *peer.session();
  const PathStats path = session.path_stats();
  if (path.has_rtt) {
    status.round_trip_us = to_microseconds(path.rtt_smoothed);
    status.ping = static_cast<int>((status.round_trip_us + 500) / 1000);
  }
  status.local_quality = std::max(kUnknown, session.local_quality(now));
  status.remote_quality = session.remote_quality();
  const RateMeter::Rate in = session.rate_in(now);
  const RateMeter::Rate out = session.rate_out(now);
  status.packets_in_per_second = in.packets_per_second;
  status.bytes_in_per_second = in.bytes_per_second;
  status.packets_out_per_second = out.packets_per_second;
  status.bytes_out_per_second = out.bytes_per_second;
  status.send_rate = static_cast<std::int64_t>(path.send_rate);
  const Channels& channels = session.channels();
  status.pending_reliable += static_cast<std::int64_t>(channels.pending_reliable());
  status.pending_unreliable = static_cast<std::int64_t>(channels.pending_unreliable());
  status.sent_unacknowledged_reliable =
      static_cast<std::int64_t>(channels.unacknowledged_reliable());
  status.queue_time_us = to_microseconds(session.queue_time());
  status.window_bytes = static_cast<std::int64_t>(path.window_bytes);
  status.unreliable_expired += static_cast<std::int64_t>(channels.unreliable_expired());
  status.packets_lost = static_cast<std::int64_t>(path.packets_lost);
}

ConnectionState Endpoint::connection_info(const Identity& user, Instant now, ConnectionInfo* info,
                                          ConnectionStatus* status) const {
  const Impl& s = *impl_;
  ConnectionInfo filled;
  ConnectionStatus live;
  if (const Peer* peer = s.find(user)) {
    s.fill_info(*peer, now, filled);
    s.fill_status(*peer, now, live);
  } else if (const ConnectionInfo* record = s.failed.find(user, now)) {
    filled = *record;
  } else if (s.requests.contains(user)) {
    filled.identity = user;
    filled.state = ConnectionState::kConnecting;
    filled.debug_description = user.text() + " waits to be accepted";
  }
  live.state = filled.state;
  if (info != nullptr) *info = filled;
  if (status != nullptr) *status = live;
  return filled.state;
}

std::int64_t Endpoint::user_data_of(SessionId session) const {
  const auto it = impl_->peers.find(session);
  return it == impl_->peers.end() ? -1 : it->second->user_data;
}

const Identity& Endpoint::user_of(SessionId session) const {
  static const Identity invalid{};
  const auto it = impl_->peers.find(session);
  if (it != impl_->peers.end()) return it->second->user;
  for (const auto& [id, user] : impl_->departed_taken) {
    if (id == session) return user;
  }
  return invalid;
}

std::shared_ptr<SendGate> Endpoint::gate(const Identity& user) const {
  const Peer* peer = impl_->find(user);
  return peer == nullptr ? nullptr : peer->gate;
}

const Identity& Endpoint::identity() const { return impl_->config.identity; }
const PublicKey& Endpoint::public_key() const { return impl_->config.keys.public_key; }
const Counters& Endpoint::counters() const { return impl_->counters; }

std::vector<Identity> Endpoint::users() const {
  std::vector<Identity> users;
  for (const auto& [id, peer] : impl_->peers) {
    if (!peer->detached()) users.push_back(peer->user);
  }
  return users;
}

bool Endpoint::lingering() const {
  return std::any_of(impl_->peers.begin(), impl_->peers.end(), [](const auto& entry) {
    const Peer& peer = *entry.second;
    if (peer.waits() && peer.detached()) return true;
    const Session* session = peer.session();
    return session != nullptr && (session->phase() == SessionPhase::kLingering || peer.ready);
  });
}

std::size_t Endpoint::session_count() const { return impl_->peers.size(); }
std::size_t Endpoint::pending_request_count() const { return impl_->requests.size(); }
std::size_t Endpoint::index_count() const { return impl_->by_index.size(); }

}  // namespace whimbrel
