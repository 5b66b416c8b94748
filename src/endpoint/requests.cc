// Endpoint: strangers. Somebody has proved a key in a handshake that we did not begin; what now?
#include <algorithm>

#include "endpoint/endpoint_impl.h"

namespace whimbrel {

namespace {

// Posted again at most every 5 s while the stranger keeps trying.
constexpr Duration kRepostInterval = seconds(5);
// A stranger who tries says so at least once a second; after this long without a word it has given
// up.
constexpr Duration kRequestLife = seconds(5);
// As long as a dialling peer may go on sending FinishXX.
constexpr Duration kHalfOpenLife = seconds(12);
constexpr Duration kExpiryInterval = seconds(1);

std::string elsewhere_text(const Request& request) {
  const std::string& name = request.responder.peer().identity;
  return name.empty() ? "logged in elsewhere" : "logged in elsewhere as " + name;
}

}  // namespace

bool Endpoint::Impl::on_stranger(Request&& request, Instant now) {
  const PeerInfo& shown = request.responder.peer();
  if (config.names_by_key) {
    request.user = Identity::generic_bytes(shown.static_key.bytes);
  } else if (shown.identity.empty()) {
    // Who has no name is called by the address; who comes by the rendezvous has a name.
    const IpAddress* address = request.from.udp();
    if (address == nullptr) {
      counters.add(Count::kDroppedBadHandshake);
      return false;
    }
    request.user = Identity::ip_address(address->bytes, address->port);
  } else if (const auto name = Identity::parse(shown.identity); name && name->valid()) {
    request.user = *name;
  } else {
    counters.add(Count::kDroppedBadHandshake);
    return false;
  }
  if (!admit_certificate(request)) {
    counters.add(Count::kDroppedBadCertificate);
    const std::string text =
        std::string("certificate not accepted: ") + to_string(shown.certificate_status);
    refuse(std::move(request), kEndRemoteBadCert, text, now);
    return false;
  }
  Peer* same_key = find_by_key(shown.static_key);
  if (same_key == nullptr) {
    // A dial of ours to this very address that has not learned the key yet. The name alone proves
    // nothing: anybody may claim it.
    same_key = find(request.user);
    if (const IpAddress* from = request.from.udp(); same_key == nullptr && from != nullptr) {
      same_key = find(Identity::ip_address(from->bytes, from->port));
    }
    const Dial* dial = same_key != nullptr ? same_key->dial() : nullptr;
    const bool ours = dial != nullptr && !dial->peer_key() && dial->calls(request.from);
    if (!ours) same_key = nullptr;
  }
  if (same_key != nullptr && !resolve_crossing(*same_key, request, now)) return false;
  Peer* same_name = find(request.user);
  if (same_name != nullptr && !resolve_conflict(*same_name, request, now)) {
    return !request.address_shown && could_be_next_life(*same_name, request);
  }
  add_request(std::move(request), now);
  return false;
}

bool Endpoint::Impl::admit_certificate(const Request& request) const {
  const CertificateStatus status = request.responder.peer().certificate_status;
  if (status == CertificateStatus::kValid || config.trust.empty()) return true;
  return status == CertificateStatus::kAbsent && !config.require_certificate;
}

// We know this key: both have dialled, or the peer has started again. True when the request is
// still to be looked at.
bool Endpoint::Impl::resolve_crossing(Peer& peer, Request& request, Instant now) {
  const PublicKey& own = config.keys.public_key;
  const PublicKey& theirs = request.responder.peer().static_key;
  if (peer.is<Peer::Loopback>()) return false;
  if (const Dial* dial = peer.dial()) {
    // Crossed opens: the smaller key yields. Where our own dial has not learned the peer's key yet
    // (XX, no answer), we can still step back, and do.
    const bool undecided = !dial->peer_key();
    if (undecided || yields(own, theirs)) {
      answer(std::move(request), &peer, now);
    } else {
      counters.add(Count::kDroppedCrossed);
    }
    return false;
  }
  Session* session = peer.session();
  if (session == nullptr) {  // waits for its turn to dial: the peer was faster
    answer(std::move(request), &peer, now);
    return false;
  }
  // Crossed opens: the end of a handshake that began before the one that won.
  if (request.begun < peer.established) {
    counters.add(Count::kDroppedCrossed);
    return false;
  }
  // A session is up, and here is a new handshake under the same key: the peer has lost it, or has
  // closed it and the word of that is still on its way. If somebody is there to read it, it is
  // another program with that key: the later one stays.
  const bool lost = !session->channels().flushed();
  session->close(kEndRemoteElsewhere, elsewhere_text(request), false, now);
  if (lost) {
    fail_peer(peer, ConnectionState::kProblemDetectedLocally, kEndMiscPeerSentNoConnection,
              forgotten_text(peer), now);
    failed.erase(peer.user);
  } else {
    leave(peer);
    touch(peer, now);
  }
  return true;
}

// Under the address of the session's peer, which has not proved its name. A port is often another
// one after a restart.
bool Endpoint::Impl::could_be_next_life(const Peer& peer, const Request& request) {
  const Session* session = peer.session();
  return session != nullptr && peer.certificate != CertificateStatus::kValid &&
         request.from.same_host(session->remote());
}

// Another key claims a name that we have a session with.
bool Endpoint::Impl::resolve_conflict(Peer& peer, const Request& request, Instant now) {
  const bool proved = request.responder.peer().certificate_status == CertificateStatus::kValid;
  if (proved && peer.certificate != CertificateStatus::kValid && peer.session() != nullptr) {
    fail_peer(peer, ConnectionState::kProblemDetectedLocally, kEndRemoteBadCert,
              "somebody else has proved to be " + peer.user.text(), now);
    failed.erase(request.user);
    return true;
  }
  // Perhaps the same user, started again with a fresh key. If the old session is dead it will fail,
  // and the stranger, who keeps trying, is let in; if it answers, the stranger is an impostor. A
  // mere claim makes it fail no sooner than it would without: anybody can make one, while the peer
  // is out of reach for a moment. Who receives where the peer did is most likely its next life.
  Rival rival = proved ? Rival::kProved : Rival::kClaims;
  if (!proved && request.address_shown && could_be_next_life(peer, request))
    rival = Rival::kInItsPlace;
  counters.add(Count::kDroppedIdentityInUse);
  log(LogLevel::kInfo, "somebody with another key claims to be " + request.user.text() +
                           ", who has a session: not let in while that one lives");
  if (peer.up() || peer.is<Peer::Answered>()) {
    peer.session()->probe_liveness(rival, now);
    touch(peer, now);
  }
  return false;
}

void Endpoint::Impl::add_request(Request&& request, Instant now) {
  const auto known = requests.find(request.user);
  if (known != requests.end()) {
    const PeerInfo& waiting = known->second.responder.peer();
    const PeerInfo& caller = request.responder.peer();
    // Whoever has proved the name comes before one who only claims it.
    const bool displaces = caller.certificate_status == CertificateStatus::kValid &&
                           waiting.certificate_status != CertificateStatus::kValid;
    if (waiting.static_key != caller.static_key && !displaces) {
      return counters.add(Count::kDroppedIdentityInUse);
    }
    // The same user with a newer handshake: the old one is dead.
    request.posted = known->second.posted;
    const Identity user = request.user;
    remove_request(user);
    const auto [it, added] = requests.emplace(user, std::move(request));
    ASSERT(added);
    request_order.push_back(user);
    remember_request(it->second);
    return post_request(it->second, now);
  }
  if (!has_room_for_session()) return counters.add(Count::kDroppedSessionLimit);
  if (requests.size() >= config.limits.pending_requests_max) {
    counters.add(Count::kDroppedRequestLimit);
    remove_request(Identity(request_order.front()));
  }
  counters.add(Count::kRequests);
  request.posted = now;
  const Identity user = request.user;
  const auto [it, added] = requests.emplace(user, std::move(request));
  ASSERT(added);
  request_order.push_back(user);
  remember_request(it->second);
  post(SessionRequestEvent{user});
  next_expiry = std::min(next_expiry, now + kExpiryInterval);
}

void Endpoint::Impl::remember_request(const Request& request) {
  const Index index{Index::Kind::kRequest, {}, 0, std::make_shared<const Identity>(request.user)};
  remember_init(request.ephemeral, index);
  if (request.xx) by_index[request.index] = index;
}

void Endpoint::Impl::post_request(Request& request, Instant now) {
  if (now < request.posted + kRepostInterval) return;
  request.posted = now;
  post(SessionRequestEvent{request.user});
}

void Endpoint::Impl::remove_request(const Identity& user) {
  const auto it = requests.find(user);
  if (it == requests.end()) return;
  if (it->second.xx) by_index.erase(it->second.index);
  requests.erase(it);
  std::erase(request_order, user);
}

Peer& Endpoint::Impl::answer(Request&& request, Peer* existing, Instant now) {
  Peer& peer =
      existing != nullptr ? *existing : make_peer(request.user, Peer::WaitsForRoute{}, now);
  if (existing == nullptr) failed.erase(request.user);
  if (peer.user != request.user && !peer.detached() && add_name(peer, request.user)) {
    peer.alias = request.user;
  }
  if (auto answered = answer_handshake(peer, request, now)) {
    note_stamp(peer, request.responder.peer().stamp, now);
    start_session(peer, std::move(*answered), now);
    if (peer.is<Peer::Answered>()) note_unconfirmed(peer, request.standing, now);
  }
  touch(peer, now);
  return peer;
}

// Nothing: it cannot be answered, since its key is none.
std::optional<Peer::Answered> Endpoint::Impl::answer_handshake(Peer& peer, Request& request,
                                                               Instant now) {
  Peer::Answered answered;
  ReceiverIndex index = request.index;
  if (!request.xx) {
    set_parameters(peer.options);
    index = new_index();
    auto& response = answered.response;
    response.resize(kHandshakePacketSizeMax);
    response.resize(request.responder.write_response(index, next_stamp(now), random, response));
    response.shrink_to_fit();
    if (!response.empty()) send_raw(request.from, response);
  }
  if (!request.responder.done()) return std::nullopt;
  by_index[index] = Index{Index::Kind::kPeer, peer.id, 0, {}};
  peer.indices.push_back(index);
  remember_init(request.ephemeral, Index{Index::Kind::kPeer, peer.id, 0, {}});
  Establishment with;
  with.remote = request.from;
  with.local_index = index;
  with.answering = true;
  with.address_proof = request.address_shown ? AddressProof::kGiven
                       : request.xx          ? AddressProof::kAck
                                             : AddressProof::kKeys;
  // RFC 9000 8.1: what an unvalidated address may get is three times what came from it.
  with.bytes_received = request.bytes - std::min(request.bytes, (answered.response.size() + 2) / 3);
  answered.session = make_session(peer, request.responder.result(), std::move(with), now);
  return answered;
}

void Endpoint::Impl::note_unconfirmed(Peer& peer, Standing standing, Instant now) {
  const std::size_t most = config.limits.unconfirmed_max;
  if (most > 0 && unconfirmed.size() >= most) {
    counters.add(Count::kDroppedHandshakeLoad);
    drop_unconfirmed(*unconfirmed.first_to_go());
  }
  unconfirmed.add(peer.id, standing);
  if (most > 0) next_expiry = std::min(next_expiry, now + kExpiryInterval);
}

// The caller may repeat its first message, and is to be answered then. Who plays it back gets no
// more than that again.
void Endpoint::Impl::drop_unconfirmed(SessionId id) {
  Peer* peer = find(id);
  ASSERT(peer != nullptr);
  if (peer->key) stamps.forget(*peer->key, peer->stamp);
  erase(*peer);
}

// The stranger learns of it at once: the handshake is ended, and the session with it. What we have
// with this key or name, if anything, stays as it is: the next one to come is a new stranger.
void Endpoint::Impl::refuse(Request&& request, int reason, std::string_view text, Instant now) {
  if (refused_count >= config.limits.refused_max) return counters.add(Count::kDroppedSessionLimit);
  Peer& peer = make_peer(request.user, Peer::Refusing{}, now);
  ++refused_count;
  leaving.insert(peer.id);
  auto answered = answer_handshake(peer, request, now);
  if (!answered) return erase(peer);
  answered->session->close(reason, text, false, now);
  peer.state = Peer::Refusing{std::move(answered->session), std::move(answered->response)};
  touch(peer, now);
}

// The name of the stranger with this key or, where whoever is at an address is meant, at this
// address: a user with a name is not taken for another one. Once a dial, not once a packet.
Identity Endpoint::Impl::waiting_at(const DialTarget& target, const Identity& user) const {
  const bool by_address = user.type() == IdentityType::kIpAddress;
  const auto& there = target.remotes;
  for (const auto& [name, request] : requests) {
    const bool same = target.key ? request.responder.peer().static_key == *target.key
                                 : by_address && std::find(there.begin(), there.end(),
                                                           request.from) != there.end();
    if (same) return name;
  }
  return {};
}

void Endpoint::Impl::expire_requests(Instant now) {
  std::vector<Identity> silent;
  for (const auto& [user, request] : requests) {
    if (now >= request.heard + kRequestLife) silent.push_back(user);
  }
  for (const Identity& user : silent) remove_request(user);
  while (!half_open_order.empty()) {
    const ReceiverIndex index = half_open_order.oldest()->second;
    if (now < half_open.at(index).made + kHalfOpenLife) break;
    end_half_open(index);
  }
  const bool apart = config.limits.unconfirmed_max > 0;
  while (apart && !unconfirmed.empty()) {
    const SessionId oldest = *unconfirmed.oldest();
    if (now < find(oldest)->opened + config.limits.unconfirmed_life) break;
    drop_unconfirmed(oldest);
  }
  const bool more =
      !requests.empty() || !half_open_order.empty() || (apart && !unconfirmed.empty());
  next_expiry = more ? now + kExpiryInterval : kNever;
}

}  // namespace whimbrel
