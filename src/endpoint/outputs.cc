// Endpoint: its outputs, and what is fetched ahead of them where there are many sessions.
#include <algorithm>
#include <array>
#include <cstring>

#include "endpoint/endpoint_impl.h"

namespace whimbrel {

namespace {

void prefetch_bytes(const void* from, std::size_t size) {
  constexpr std::size_t kLine = 64;
  for (std::size_t at = 0; at < size; at += kLine)
    __builtin_prefetch(static_cast<const std::uint8_t*>(from) + at);
}

}  // namespace

void Endpoint::prefetch(const SendGate& gate) {
  if (gate.peer != nullptr) prefetch_bytes(gate.peer, sizeof(Peer));
}

void Endpoint::prefetch_session(const SendGate& gate) {
  const Session* session = gate.peer != nullptr ? gate.peer->session() : nullptr;
  if (session != nullptr) prefetch_bytes(session, sizeof(Session));
}

Peer* Endpoint::Impl::find_receiver(Bytes datagram) {
  const auto header = read_data_header(datagram);
  if (!header) return nullptr;
  const auto it = by_index.find(header->receiver_index);
  const bool of_peer = it != by_index.end() && it->second.kind == Index::Kind::kPeer;
  return of_peer ? find(it->second.peer) : nullptr;
}

void Endpoint::prefetch_receivers(std::span<const Bytes> datagrams) {
  std::array<const Peer*, 64> peers{};  // further ones are fetched when they are needed
  std::size_t count = 0;
  for (const Bytes datagram : datagrams.first(std::min(datagrams.size(), peers.size()))) {
    const Peer* peer = impl_->find_receiver(datagram);
    if (peer == nullptr) continue;
    prefetch_bytes(peer, sizeof(Peer));
    peers[count++] = peer;
  }
  for (const Peer* peer : std::span(peers).first(count)) {
    if (const Session* session = peer->session()) prefetch_bytes(session, sizeof(Session));
  }
}

void Endpoint::Impl::prefetch_ready() {
  constexpr std::size_t kPeersAhead = 4, kSessionsAhead = 2;
  if (ready.size() <= kPeersAhead) return;
  if (const Peer* peer = find(ready[kPeersAhead])) prefetch_bytes(peer, sizeof(Peer));
  const Peer* peer = find(ready[kSessionsAhead]);
  const Session* session = peer != nullptr ? peer->session() : nullptr;
  if (session != nullptr) prefetch_bytes(session, sizeof(Session));
}

std::optional<RemoteTransmit> Endpoint::poll_transmit(MutableBytes buffer, Instant now) {
  Impl& s = *impl_;
  ASSERT(buffer.size() >= kDatagramSizeMin);
  // By turns with the sessions: strangers who make us answer must not silence them.
  const bool sessions_turn = std::exchange(s.sessions_turn, false) && !s.ready.empty();
  if (!s.raw.empty() && !sessions_turn) {
    s.sessions_turn = true;
    const Impl::Raw packet = std::move(s.raw.front());
    s.raw.pop_front();
    std::memcpy(buffer.data(), packet.bytes.data(), packet.bytes.size());
    s.counters.add(Count::kPacketsOut);
    s.counters.add(Count::kBytesOut, packet.bytes.size());
    return RemoteTransmit{packet.to, packet.bytes.size(), packet.bytes.size()};
  }
  while (!s.ready.empty()) {
    const SessionId id = s.ready.front();
    s.ready.pop_front();
    Peer* peer = s.find(id);
    if (peer == nullptr) continue;
    peer->ready = false;
    Session* session = peer->session();
    if (session == nullptr) {  // it calls anew: settle() has left out its timers
      s.settle(*peer, now);
      continue;
    }
    s.prefetch_ready();
    const auto batch = session->poll_transmit(buffer, now);
    if (session->take_cut_off() && peer->signalled) s.note_cut_off(*peer->signalled);
    if (batch) {
      // Behind the others: nobody waits for a busy one. One that had a single datagram has mostly
      // no other, which costs least to see while it is in the processor's cache: it is asked once
      // more.
      const bool again =
          batch->size <= batch->segment_size && s.asked_again != id && !s.ready.empty();
      s.asked_again = again ? id : SessionId{};
      s.mark_ready(*peer, again);
    }
    s.settle(*peer, now);
    if (!batch) continue;
    s.counters.add(Count::kPacketsOut,
                   (batch->size + batch->segment_size - 1) / batch->segment_size);
    s.counters.add(Count::kBytesOut, batch->size);
    return RemoteTransmit{batch->to, batch->size, batch->segment_size};
  }
  // It was their turn and they had nothing.
  return s.raw.empty() ? std::nullopt : poll_transmit(buffer, now);
}

bool Endpoint::several_have_packets() const { return impl_->ready.size() + impl_->raw.size() > 1; }

std::optional<Event> Endpoint::poll_event() {
  if (impl_->events.empty()) return std::nullopt;
  Event event = std::move(impl_->events.front());
  impl_->events.pop_front();
  return event;
}

std::optional<Identity> Endpoint::poll_route_wanted() {
  auto& wanted = impl_->routes_wanted;
  while (!wanted.empty()) {
    const Identity user = wanted.front();
    wanted.pop_front();
    if (impl_->find_waiting_for_route(user) != nullptr) return user;
  }
  return std::nullopt;
}

void Endpoint::Impl::want_route(const Identity& user) {
  if (routes_wanted.size() >= 2 * peers.size() + kRoutesWantedMin)
    std::erase_if(routes_wanted,
                  [this](const Identity& one) { return find_waiting_for_route(one) == nullptr; });
  routes_wanted.push_back(user);
}

std::optional<SignalRemote> Endpoint::poll_cut_off() {
  auto& cut_off = impl_->cut_off;
  if (cut_off.empty()) return std::nullopt;
  const SignalRemote user = cut_off.front();
  cut_off.pop_front();
  return user;
}

void Endpoint::take_messages(std::vector<DeliveredMessage>& out) {
  auto& delivered = impl_->delivered;
  impl_->departed_taken.clear();
  impl_->departed_taken.swap(impl_->departed);
  if (out.empty()) {
    out.swap(delivered);
    return;
  }
  for (auto& message : delivered) out.push_back(std::move(message));
  delivered.clear();
}

Instant Endpoint::next_deadline() const {
  if (!impl_->waiting_inits.empty()) return kNow;
  impl_->schedule_ready();
  impl_->put_first_right();
  return std::min(impl_->timers.next(), impl_->next_expiry);
}

// settle() leaves out the timers of those that poll_transmit() is about to ask. Some are left where
// the socket is full, and time passes for them all the same.
void Endpoint::Impl::schedule_ready() {
  for (const SessionId id : ready) {
    if (Peer* peer = find(id)) schedule(*peer);
  }
}

void Endpoint::Impl::schedule(Peer& peer) {
  timers.schedule(static_cast<std::uint64_t>(peer.id), deadline_of(peer), &peer.scheduled);
}

// Nobody wakes up for a deadline that has moved away since.
void Endpoint::Impl::put_first_right() {
  while (timers.next() != kNever) {
    Peer* peer = find(SessionId{timers.first()});
    ASSERT(peer != nullptr);
    const Instant real = deadline_of(*peer);
    if (peer->is<Peer::WaitsForRoute>() || real <= peer->scheduled) return;
    timers.move(timers.first(), real, &peer->scheduled);
  }
}

}  // namespace whimbrel
