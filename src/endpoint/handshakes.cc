// Endpoint: handshake packets. Who may talk to us is decided in requests.cc.
#include <algorithm>

#include "endpoint/endpoint_impl.h"

namespace whimbrel {

namespace {

// First packets that are answered in a turn: about a millisecond. Fewer where so many packets have
// come that more may wait: those who are further come first.
constexpr unsigned kAnswersOfTurn = 4;
constexpr unsigned kAnswersOfBusyTurn = 1;

static_assert(kDatagramSizeMaxMin == kDatagramSizeMin,
              "the handshake asks for what a path must carry");

EphemeralKey ephemeral_of(const InitView& init) {
  // With all that goes into the prologue: a copy with another index is another message, with
  // another answer.
  EphemeralKey key{};
  const std::size_t size = std::min(key.size() - 6, init.noise.size());
  std::copy_n(init.noise.begin(), size, key.begin() + 6);
  ByteWriter head(MutableBytes(key).first(6));
  head.u32(init.sender_index);
  head.u8(init.version);
  head.u8(static_cast<std::uint8_t>(init.suite));
  return key;
}

}  // namespace

// Strictly increasing, so that no first message of ours is taken for a repetition.
UnixMillis Endpoint::Impl::next_stamp(Instant now) {
  last_stamp = std::max(last_stamp + 1, clock.at(now));
  return last_stamp;
}

ReceiverIndex Endpoint::Impl::new_index() {
  for (;;) {
    const ReceiverIndex index = random.u32();
    if (index != 0 && !by_index.contains(index)) return index;
  }
}

void Endpoint::Impl::set_parameters(const SessionOptions& options) {
  MessageLimits limits;
  limits.receive_bytes_max = options.receive_bytes_max;
  limits.receive_messages_max = options.receive_messages_max;
  const InitialCredit credit = Channels(limits).initial_credit();
  TransportParameters& p = handshake.parameters;
  p.session_bytes_max = credit.session_bytes;
  p.session_messages_max = credit.session_messages;
  p.channel_bytes_max = credit.channel_bytes;
  p.channel_messages_max = credit.channel_messages;
  p.ack_delay_max_us = 25000;
  p.datagram_size_max = std::max(options.datagram_size_max, kDatagramSizeMin);
  p.idle_timeout_ms = static_cast<std::uint64_t>(to_milliseconds(options.idle_timeout));
}

void Endpoint::Impl::count_handshake_error(HandshakeError error) {
  switch (error) {
    case HandshakeError::kWrongMac1:
      return counters.add(Count::kDroppedBadMac);
    case HandshakeError::kNoCookie:
      return counters.add(Count::kDroppedBadCookie);
    case HandshakeError::kUnsupportedVersion:
    case HandshakeError::kUnsupportedSuite:
    case HandshakeError::kDowngrade:
      return counters.add(Count::kDroppedBadVersion);
    default:
      return counters.add(Count::kDroppedBadHandshake);
  }
}

void Endpoint::Impl::receive_handshake(const Remote& from, Bytes datagram, Instant now) {
  const auto kind = handshake_kind(datagram);
  if (!kind) return counters.add(Count::kDroppedUnknownType);
  if (*kind == HandshakeKind::kInitIk || *kind == HandshakeKind::kInitXx) {
    return on_init(from, datagram, now);
  }
  if (*kind == HandshakeKind::kResetAsk) return on_reset_ask(from, datagram, now);
  if (*kind == HandshakeKind::kReset) return on_reset(datagram, now);
  const auto index = handshake_receiver_index(datagram);
  if (!index) return counters.add(Count::kDroppedMalformed);
  const auto it = by_index.find(*index);
  if (it == by_index.end()) return counters.add(Count::kDroppedUnknownIndex);
  if (*kind == HandshakeKind::kFinishXx) return on_finish(from, datagram, *index, now);
  Peer* peer = it->second.kind == Index::Kind::kPeer ? find(it->second.peer) : nullptr;
  const Dial* dial = peer != nullptr ? peer->dial() : nullptr;
  if (dial == nullptr || dial->index() != *index) {
    return counters.add(Count::kDroppedUnknownIndex);
  }
  on_dial_answer(*peer, from, datagram, now);
}

// --- answering -----------------------------------------------------------------------------------

void Endpoint::Impl::on_init(const Remote& from, Bytes datagram, Instant now) {
  // A cookie, or a look, would be for nothing while there is no room.
  if (waiting_inits.full() || !first_packets.looks_at(from, now))
    return counters.add(Count::kDroppedHandshakeLoad);
  const auto source = from.bytes();
  const bool loaded =
      first_packets.wants_cookie(half_open.size() + unconfirmed.size() + waiting_inits.size(), now);
  const InitScreener::Result screened = screener.check(datagram, source, loaded, now);
  if (screened.verdict == InitScreener::Verdict::kReply) {
    // Who floods us with what costs nothing to send gets few answers, and none that others wait
    // behind.
    if (raw.size() >= config.limits.stateless_replies_max)
      return counters.add(Count::kDroppedHandshakeLoad);
    const bool cookie = handshake_kind(screened.reply) == HandshakeKind::kCookieReply;
    counters.add(cookie ? Count::kCookiesSent : Count::kDroppedBadVersion);
    return send_raw(from, Bytes(screened.reply).first(screened.reply_size));
  }
  if (screened.verdict == InitScreener::Verdict::kDrop) {
    return count_handshake_error(screened.error);
  }
  const EphemeralKey ephemeral = ephemeral_of(screened.init);
  if (on_repeated_init(ephemeral, from, now)) return;
  if (waiting_inits.contains(ephemeral)) return;
  // While cookies are asked for it has shown one.
  const auto standing = loaded ? first_packets.admit(from, now) : Standing::kCommon;
  if (!standing) return counters.add(Count::kDroppedHandshakeLoad);
  if (config.limits.first_packets_waiting_max == 0)
    return answer_init(screened.init, ephemeral, from, *standing, now);
  if (!waiting_inits.add(from, ephemeral, *standing, datagram))
    counters.add(Count::kDroppedHandshakeLoad);
}

void Endpoint::Impl::answer_init(const InitView& init, const EphemeralKey& ephemeral,
                                 const Remote& from, Standing standing, Instant now) {
  if (init.kind == HandshakeKind::kInitIk) {
    on_init_ik(init, ephemeral, from, standing, now);
  } else {
    on_init_xx(init, ephemeral, from, standing, now);
  }
}

void Endpoint::Impl::answer_waiting_inits(Instant now) {
  const bool busy = std::exchange(received_in_turn, 0) >= kBusyTurn;
  for (unsigned i = 0; i < (busy ? kAnswersOfBusyTurn : kAnswersOfTurn); ++i) {
    const auto one = waiting_inits.take();
    if (!one) return;
    answer_init(*read_init(one->datagram), one->ephemeral, one->from, one->standing, now);
  }
}

// The same first message again: its answer was lost, or it waits for the application.
bool Endpoint::Impl::on_repeated_init(const EphemeralKey& ephemeral, const Remote& from,
                                      Instant now) {
  const auto it = recent_inits.find(ephemeral);
  if (it == recent_inits.end()) return false;
  const Index& index = it->second;
  if (index.kind == Index::Kind::kHalfOpen) {
    const auto open = half_open.find(index.half_open);
    if (open == half_open.end()) return false;
    // To wherever it comes from now: the caller may have moved. The answer is no larger than the
    // question.
    send_raw(from, open->second.response);
    return true;
  }
  if (index.kind == Index::Kind::kRequest) {
    const auto request = requests.find(*index.request);
    if (request == requests.end() || request->second.ephemeral != ephemeral) return false;
    request->second.heard = now;
    post_request(request->second, now);
    return true;
  }
  Peer* peer = find(index.peer);
  if (peer == nullptr && config.limits.unconfirmed_max > 0) return false;  // see drop_unconfirmed()
  Session* session = peer != nullptr ? peer->session() : nullptr;
  if (session != nullptr && !session->confirmed() && !peer->response().empty()) {
    session->answered_to(from);
    send_raw(from, peer->response());
  } else {
    counters.add(Count::kDroppedReplayedHandshake);
  }
  return true;
}

void Endpoint::Impl::on_init_ik(const InitView& init, const EphemeralKey& ephemeral,
                                const Remote& from, Standing standing, Instant now) {
  const bool shown = screener.shows_address(init, from.bytes(), now);
  Request request{Identity(), from,    0,   ephemeral, Responder(handshake),
                  false,      now,     now, shown,     init.datagram.size(),
                  now,        standing};
  const HandshakeError error = request.responder.read_init(init, clock.at(now));
  if (error != HandshakeError::kNone) return count_handshake_error(error);
  const PeerInfo& peer = request.responder.peer();
  // A peer that we have a session with is known by its own stamp: others may have pushed it out of
  // the table.
  const Peer* live = find_by_key(peer.static_key);
  if (!stamps.is_new(peer.static_key, peer.stamp) ||
      (live != nullptr && peer.stamp <= live->stamp)) {
    return counters.add(Count::kDroppedReplayedHandshake);
  }
  // Noted only when it is answered: until then the same message, sent again, is welcome.
  if (!on_stranger(std::move(request), now)) return;
  const InitScreener::Result reply = screener.ask_for_address(init, from.bytes(), now);
  counters.add(Count::kCookiesSent);
  send_raw(from, Bytes(reply.reply).first(reply.reply_size));
}

void Endpoint::Impl::on_init_xx(const InitView& init, const EphemeralKey& ephemeral,
                                const Remote& from, Standing standing, Instant now) {
  HalfOpen open{from, ephemeral, Responder(handshake), {}, now, standing, next_half_open++};
  const HandshakeError error = open.responder.read_init(init, clock.at(now));
  if (error != HandshakeError::kNone) return count_handshake_error(error);
  if (half_open.size() >= config.limits.half_open_max) {
    end_half_open(half_open_order.first_to_go()->second);
    counters.add(Count::kDroppedHandshakeLoad);
  }
  set_parameters(config.session);
  const ReceiverIndex index = new_index();
  open.response.resize(kHandshakePacketSizeMax);
  open.response.resize(
      open.responder.write_response(index, next_stamp(now), random, open.response));
  if (open.response.empty()) return counters.add(Count::kDroppedBadHandshake);
  open.response.shrink_to_fit();
  send_raw(from, open.response);
  by_index[index] = Index{Index::Kind::kHalfOpen, {}, index, {}};
  remember_init(ephemeral, Index{Index::Kind::kHalfOpen, {}, index, {}});
  half_open_order.add({open.number, index}, standing);
  half_open.emplace(index, std::move(open));
  next_expiry = std::min(next_expiry, now + seconds(1));
}

void Endpoint::Impl::end_half_open(ReceiverIndex index) {
  const auto it = half_open.find(index);
  if (it == half_open.end()) return;
  const auto at = by_index.find(index);
  if (at != by_index.end() && at->second.kind == Index::Kind::kHalfOpen) by_index.erase(at);
  half_open_order.erase({it->second.number, index});
  half_open.erase(it);
}

void Endpoint::Impl::remember_init(const EphemeralKey& ephemeral, const Index& index) {
  const auto [it, added] = recent_inits.insert_or_assign(ephemeral, index);
  if (!added) return;
  recent_order.push_back(ephemeral);
  if (recent_order.size() > config.limits.recent_first_packets_max) {
    recent_inits.erase(recent_order.front());
    recent_order.pop_front();
  }
}

void Endpoint::Impl::on_finish(const Remote& from, Bytes datagram, ReceiverIndex index,
                               Instant now) {
  const Index target = by_index.at(index);
  if (target.kind == Index::Kind::kRequest) {
    const auto it = requests.find(*target.request);
    if (it == requests.end()) return counters.add(Count::kDroppedUnknownIndex);
    it->second.heard = now;
    return post_request(it->second, now);
  }
  if (target.kind == Index::Kind::kPeer) {  // a session already, but the peer has not heard of it
    Peer* peer = find(target.peer);
    Session* session = peer != nullptr ? peer->session() : nullptr;
    if (session != nullptr && !session->confirmed()) {
      session->repeat_handshake_done();
      return touch(*peer, now);
    }
    return counters.add(Count::kDroppedReplayedHandshake);
  }
  const auto it = half_open.find(index);
  if (it == half_open.end()) return counters.add(Count::kDroppedUnknownIndex);
  // Each costs a Diffie-Hellman; the first packet was let in for one.
  if (it->second.failures > 0 && !first_packets.admit(from, now))
    return counters.add(Count::kDroppedHandshakeLoad);
  Request request{Identity(),
                  from,
                  index,
                  it->second.ephemeral,
                  it->second.responder,
                  true,
                  now,
                  now,
                  from == it->second.from,
                  datagram.size(),
                  it->second.made,
                  it->second.standing};
  const HandshakeError error = request.responder.read_finish(datagram, clock.at(now));
  if (error != HandshakeError::kNone) {
    if (++it->second.failures >= config.limits.finish_failures_max) end_half_open(index);
    return count_handshake_error(error);
  }
  const PublicKey key = request.responder.peer().static_key;
  on_stranger(std::move(request), now);
  // A name that somebody else still has: the caller tries again until that is settled, so its
  // handshake stays.
  const auto left = by_index.find(index);
  const bool waits = left != by_index.end() && left->second.kind == Index::Kind::kHalfOpen;
  if (waits && find_by_key(key) == nullptr) return;
  end_half_open(index);
}

// --- our own dials -------------------------------------------------------------------------------

void Endpoint::Impl::on_dial_answer(Peer& peer, const Remote& from, Bytes datagram, Instant now) {
  HandshakeError error = HandshakeError::kNone;
  Dial& dial = *peer.dial();
  switch (*handshake_kind(datagram)) {
    case HandshakeKind::kCookieReply:
      error = dial.on_cookie_reply(from, datagram, now);
      break;
    case HandshakeKind::kVersionReply:
      error = dial.on_version_reply(from, datagram, next_stamp(now), now);
      if (error == HandshakeError::kUnsupportedVersion ||
          error == HandshakeError::kUnsupportedSuite) {
        counters.add(Count::kDroppedBadVersion);
        return on_dial_fault(
            peer, kEndRemoteBadVersion,
            peer.user.text() +
                " speaks no version of the protocol that we know: update whichever is older",
            false, now);
      }
      break;
    default:
      return on_dial_response(peer, from, datagram, now);
  }
  if (error != HandshakeError::kNone) return count_handshake_error(error);
  advance_peer(peer, now);
}

void Endpoint::Impl::on_dial_response(Peer& peer, const Remote& from, Bytes datagram, Instant now) {
  Dial& dial = *peer.dial();
  const HandshakeError error = dial.on_response(from, datagram, clock.at(now));
  // IK: nobody else than who has the key that was given could make this. XX: anybody who saw
  // message 1, our own key included, for we answer a copy of it, too.
  const bool proved = dial.expected_key().has_value();
  if (error == HandshakeError::kOwnKey) {
    return on_dial_fault(peer, kEndMiscGeneric, peer.user.text() + " is this program itself",
                         proved, now);
  }
  if (error != HandshakeError::kNone) return count_handshake_error(error);
  const Duration rtt = dial.round_trip(now);
  const PublicKey key = dial.initiator().peer().static_key;
  if (const auto fault = fault_of_dialled(peer)) {
    counters.add(Count::kDroppedBadCertificate);
    dial.reject();
    return on_dial_fault(peer, kEndRemoteBadCert, *fault, proved, now);
  }
  auto& dialling = *peer.as<Peer::Dialling>();  // it takes no answer once it is Opening
  Establishment with;
  // RFC 9000 9: to where we called, not to where the answer seems to come from.
  with.remote = dial.to();
  with.local_index = dial.index();
  with.address_proof = AddressProof::kGiven;
  with.handshake_rtt = rtt;
  with.one_of_several = dial.chose_one();
  if (dial.initiator().done()) {  // IK
    auto session = make_session(peer, dial.initiator().result(), std::move(with), now);
    session->confirm();
    note_stamp(peer, dial.initiator().peer().stamp, now);
    std::vector<EarlyPacket> early = std::move(dialling.early);
    start_session(peer, Peer::Up{std::move(session)}, now);
    take_early(peer, early, now);
    return touch(peer, now);
  }
  Peer* other = find_by_key(key);
  if (other != nullptr && other != &peer && other->session() != nullptr)
    return merge(peer, *other, now);
  dial.finish(next_stamp(now), now);
  with.await_confirmation = true;
  auto session = make_session(peer, dial.initiator().result(), std::move(with), now);
  auto goes_on = std::move(dialling.dial);
  peer.state = Peer::Opening{std::move(dialling), std::move(goes_on), std::move(session)};
  advance_peer(peer, now);
}

void Endpoint::Impl::take_early(Peer& peer, std::vector<EarlyPacket>& early, Instant now) {
  for (EarlyPacket& packet : early) {
    const auto header = read_data_header(packet.bytes);
    if (!header) continue;
    peer.session()->receive(packet.from, *header, packet.bytes, now, received);
    deliver(peer, now);
  }
}

// What says that the dial cannot succeed. Unless it is proved, better answers may still come: a
// forger is often faster than the peer, and cannot keep what the peer says from us.
void Endpoint::Impl::on_dial_fault(Peer& peer, int reason, const std::string& text, bool proved,
                                   Instant now) {
  Dial& dial = *peer.dial();
  dial.note_fault(reason, text, now);
  if (proved) return fail_peer(peer, ConnectionState::kProblemDetectedLocally, reason, text, now);
  if (!dial.fault_is_certain()) return touch(peer, now);
  const Dial::Fault fault = *dial.fault();
  fail_peer(peer, ConnectionState::kProblemDetectedLocally, fault.reason, fault.text, now);
}

std::optional<std::string> Endpoint::Impl::fault_of_dialled(Peer& peer) {
  const Dial& dial = *peer.dial();
  const PeerInfo& shown = dial.initiator().peer();
  const bool valid = shown.certificate_status == CertificateStatus::kValid;
  const bool absent = shown.certificate_status == CertificateStatus::kAbsent;
  const std::string where = dial.to().text();
  if (!valid && (!absent || config.require_certificate) && !config.trust.empty()) {
    return "the certificate of the peer at " + where +
           " is not accepted: " + to_string(shown.certificate_status);
  }
  const auto name = Identity::parse(shown.identity);
  if (peer.user.type() == IdentityType::kIpAddress) {
    if (name && name != peer.user && !peer.detached()) {
      peer.alias = *name;
      add_name(peer, *name);
    }
    return std::nullopt;
  }
  if (name && *name == peer.user) return std::nullopt;
  // A key that was given names the peer as well as a name does, where it shows none.
  if (shown.identity.empty() && dial.expected_key()) return std::nullopt;
  return "at " + where + " is " + (name ? name->text() : std::string("somebody without a name")) +
         ", not " + peer.user.text();
}

}  // namespace whimbrel
