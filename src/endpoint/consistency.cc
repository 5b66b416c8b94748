// Endpoint: whether the tables in which a peer stands agree. For tests.
#include <algorithm>

#include "endpoint/endpoint_impl.h"

namespace whimbrel {

void Endpoint::check_consistency() const { impl_->check_consistency(); }

void Endpoint::Impl::check_consistency() {
  check_peers();
  check_names();
  check_indices();
  check_lists();
}

void Endpoint::Impl::check_peers() {
  ASSERT(by_id.size() == peers.size());
  for (const auto& [id, peer] : peers) {
    ASSERT(peer->id == id && find(id) == peer.get());
    ASSERT(!peer->ready || std::count(ready.begin(), ready.end(), id) == 1);
    ASSERT(!peer->signalled || !by_signal.contains(*peer->signalled) ||
           std::count(by_signal.at(*peer->signalled).begin(), by_signal.at(*peer->signalled).end(),
                      id) == 1);
    // Otherwise nobody would look at it again.
    ASSERT(peer->ready || peer->is<Peer::WaitsForRoute>() || peer->scheduled <= deadline_of(*peer));
  }
}

void Endpoint::Impl::check_names() {
  std::size_t names = 0;
  for (const auto& [id, peer] : peers) {
    names += peer->names.size();
    for (const Identity& name : peer->names) ASSERT(find(name) == peer.get());
  }
  ASSERT(names == by_name.size());
  for (const auto& [key, id] : by_key) ASSERT(find(id) != nullptr && find(id)->key == key);
}

void Endpoint::Impl::check_indices() {
  std::size_t indices = 0;
  for (const auto& [id, peer] : peers) {
    indices += peer->indices.size();
    for (const ReceiverIndex index : peer->indices) {
      ASSERT(by_index.contains(index));
      ASSERT(by_index.at(index).kind == Index::Kind::kPeer && by_index.at(index).peer == id);
    }
  }
  // The others are of handshakes that are not finished, or wait for the application.
  const auto waiting = std::count_if(requests.begin(), requests.end(),
                                     [](const auto& request) { return bool(request.second.xx); });
  ASSERT(by_index.size() == indices + half_open.size() + static_cast<std::size_t>(waiting));
  for (const auto& [index, open] : half_open)
    ASSERT(by_index.contains(index) && by_index.at(index).kind == Index::Kind::kHalfOpen);
  ASSERT(half_open_order.size() == half_open.size());
}

void Endpoint::Impl::check_lists() {
  for (const auto& [remote, ids] : by_signal) {
    ASSERT(!ids.empty());
    for (const SessionId id : ids) ASSERT(find(id) != nullptr && find(id)->signalled == remote);
  }
  for (const auto& [user, ids] : lingering) {
    ASSERT(!ids.empty());
    for (const SessionId id : ids) ASSERT(find(id) != nullptr);
  }
  for (const SessionId id : leaving) ASSERT(find(id) != nullptr && find(id)->detached());
  for (const SessionId id : racing) ASSERT(find(id) != nullptr);
  ASSERT(unconfirmed.size() + leaving.size() <= peers.size());
  ASSERT(requests.size() == request_order.size());
  ASSERT(recent_inits.size() == recent_order.size());
}

}  // namespace whimbrel
