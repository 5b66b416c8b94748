// Endpoint: stateless reset (RFC 9000 10.3; handshake/reset.h). A peer that says nothing is asked
// whether it still knows us.
#include "endpoint/endpoint_impl.h"

namespace whimbrel {

void Endpoint::Impl::ask_for_reset(Peer& peer) {
  const Session& session = *peer.session();
  // An address that has not answered yet gets nothing beside the session. Over a relay the next
  // life of the peer has another slot and does not hear it; but the same life does, where it gave
  // the session up while we were away.
  if (!peer.reset_token || !session.address_validated()) return;
  std::array<std::uint8_t, 8> nonce;
  random.fill(nonce);
  peer.reset_nonce = ByteReader(nonce).u64() | 1;  // never 0
  const ResetAsk ask{.sender_index = session.local_index(),
                     .receiver_index = session.remote_index(),
                     .nonce = peer.reset_nonce};
  send_raw(session.remote(), write_reset_ask(ask, *peer.reset_token));
}

// RFC 9000 10.3: only where nothing is known of the index. Nobody but the peer of that session can
// ask so that it is answered.
void Endpoint::Impl::on_reset_ask(const Remote& from, Bytes datagram, Instant now) {
  const auto ask = read_reset_ask(datagram);
  if (!ask) return counters.add(Count::kDroppedMalformed);
  if (by_index.contains(ask->receiver_index)) return;
  if (raw.size() >= config.limits.stateless_replies_max || !first_packets.looks_at(from, now) ||
      !resets.take(1, now)) {
    return counters.add(Count::kDroppedHandshakeLoad);
  }
  const ResetToken token = handshake.reset_key->token(ask->receiver_index);
  if (!is_authentic(datagram, token)) return counters.add(Count::kDroppedUnknownIndex);
  send_raw(from, write_reset({.receiver_index = ask->sender_index, .nonce = ask->nonce}, token));
}

// A Reset that nobody has asked for has the nonce 0.
void Endpoint::tell_forgotten(const SessionLine& line) {
  Impl& s = *impl_;
  if (s.by_index.contains(line.local_index)) return;
  s.send_raw(line.remote, write_reset({.receiver_index = line.remote_index, .nonce = 0},
                                      s.handshake.reset_key->token(line.local_index)));
}

void Endpoint::Impl::on_reset(Bytes datagram, Instant now) {
  const auto reset = read_reset(datagram);
  if (!reset) return counters.add(Count::kDroppedMalformed);
  const auto it = by_index.find(reset->receiver_index);
  Peer* peer = it == by_index.end() || it->second.kind != Index::Kind::kPeer
                   ? nullptr
                   : find(it->second.peer);
  Session* session = peer != nullptr ? peer->session() : nullptr;
  const bool expected = session != nullptr && peer->reset_token &&
                        (peer->reset_nonce == reset->nonce || reset->nonce == 0) &&
                        session->phase() == SessionPhase::kUp;
  if (!expected || !is_authentic(datagram, *peer->reset_token)) {
    return counters.add(Count::kDroppedUnknownIndex);
  }
  // It may be old and played back: only an answer to a question of ours ends anything.
  if (reset->nonce == 0) return ask_for_reset(*peer);
  if (peer->is<Peer::Opening>()) return dial_again(*peer, now);
  session->drain();
  fail_peer(*peer, ConnectionState::kProblemDetectedLocally, kEndMiscPeerSentNoConnection,
            forgotten_text(*peer), now);
}

// We wait to be let in, and there our request is forgotten: others have pushed it out before the
// application had answered, or the peer has started again. What was taken waits here, so nothing is
// lost; it is for the key that has answered, so start_dial() calls that by InitIK, which is not
// forgotten so easily: it comes again and again.
void Endpoint::Impl::dial_again(Peer& peer, Instant now) {
  for (const ReceiverIndex index : peer.indices) by_index.erase(index);
  peer.indices.clear();
  peer.reset_token.reset();
  peer.state = Peer::WaitsForRoute{std::move(*peer.making()), false, {}};
  advance_peer(peer, now);
}

}  // namespace whimbrel
