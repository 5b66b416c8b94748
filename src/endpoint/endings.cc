// Endpoint: how sessions end, and what the application is told of it.
#include "endpoint/endpoint_impl.h"

namespace whimbrel {

namespace {

// " at 192.0.2.1:4000 or 192.0.2.2:4000", or where there is no address.
std::string place_of(const Dial& dial) {
  return dial.to().udp() != nullptr ? " at " + dial.tried() : " over the relay";
}

// A session that has lasted for so long was no failed dial.
constexpr Duration kCameUpAfter = seconds(1);

// "10 s", "0.5 s".
std::string seconds_text(Duration duration) {
  const auto tenths = (to_milliseconds(duration) + 50) / 100;
  const std::string whole = std::to_string(tenths / 10);
  return (tenths % 10 == 0 ? whole : whole + "." + std::to_string(tenths % 10)) + " s";
}

}  // namespace

void Endpoint::Impl::close_peer(Peer& peer, int reason, std::string_view text, bool linger,
                                Instant now) {
  let_go(peer);
  if (linger && lingers_unmade(peer)) {
    peer.making()->farewell = std::make_unique<Peer::Farewell>(
        Peer::Farewell{reason, std::string(text), now + peer.options.linger});
    lingering[peer.user].push_back(peer.id);
    return touch(peer, now);
  }
  if (peer.session() == nullptr) return erase(peer);
  const bool made = !peer.waits();
  Session& session = leave(peer);
  session.close(reason, text, linger && made, now);
  if (session.phase() == SessionPhase::kLingering) lingering[peer.user].push_back(peer.id);
  touch(peer, now);
}

// It answers for a session that it does not know. Which of the two it was cannot be seen from here.
std::string Endpoint::Impl::forgotten_text(const Peer& peer) {
  return peer.user.text() +
         " does not know this session any more: it has started again, or has not heard from us for "
         "too long";
}

// What was taken waits for a session that is still being made.
bool Endpoint::Impl::lingers_unmade(const Peer& peer) {
  return peer.waiting_bytes() > 0 && peer.options.linger > Duration::zero();
}

// The session that what was taken before the close has waited for is there, or its time is over.
// `made`: what was taken is on the session, and is still delivered.
void Endpoint::Impl::bid_farewell(Peer& peer, const Peer::Farewell& farewell, bool made,
                                  Instant now) {
  SessionOptions rest = peer.options;
  rest.linger = std::max(Duration::zero(), farewell.deadline - now);
  Session& session = leave(peer);
  session.set_options(rest);
  session.close(farewell.reason, farewell.text, made, now);
}

// The application no longer finds it under any name.
void Endpoint::Impl::let_go(Peer& peer) {
  if (!peer.is<Peer::Answered>() && !peer.is<Peer::Leaving>()) leaving.insert(peer.id);
  peer.gate->open.store(false, std::memory_order_release);
  peer.gate->peer = nullptr;
  for (const Identity& name : peer.names) by_name.erase(name);
  peer.names.clear();
  if (!peer.key) return;
  const auto it = by_key.find(*peer.key);
  if (it != by_key.end() && it->second == peer.id) by_key.erase(it);
}

// It has a session, of which only the end is left.
Session& Endpoint::Impl::leave(Peer& peer) {
  let_go(peer);
  if (peer.is<Peer::Leaving>()) return *peer.session();
  Peer::Leaving left;
  if (auto* opening = peer.as<Peer::Opening>()) left.session = std::move(opening->session);
  if (auto* up = peer.as<Peer::Up>()) left.session = std::move(up->session);
  if (auto* answered = peer.as<Peer::Answered>())
    left = {std::move(answered->session), std::move(answered->response)};
  ASSERT(left.session);
  Session& session = *left.session;
  peer.state = std::move(left);
  return session;
}

void Endpoint::Impl::erase(Peer& peer) {
  if (peer.is<Peer::Refusing>()) --refused_count;
  let_go(peer);
  for (const ReceiverIndex index : peer.indices) by_index.erase(index);
  timers.move(static_cast<std::uint64_t>(peer.id), kNever, &peer.scheduled);
  if (const auto closed = lingering.find(peer.user); closed != lingering.end()) {
    std::erase(closed->second, peer.id);
    if (closed->second.empty()) lingering.erase(closed);
  }
  forget_signal(peer);
  const SessionId id = peer.id;
  racing.erase(id);
  unconfirmed.erase(id);
  leaving.erase(id);
  if (!delivered.empty()) departed.emplace_back(id, peer.user);
  by_id.erase(id);
  peers.erase(id);
}

// In a row, this one included if it is one: whoever lets us in and refuses at once counts, too.
unsigned Endpoint::Impl::failed_dials(const Peer& peer, Instant now) {
  if (!peer.up()) return peer.failed_dials + 1;
  // The peer's application closed what had come up: however soon, that is no failed dial.
  const auto& end = peer.session()->end();
  const bool closed = end && end->kind == SessionEnd::Kind::kClosedByPeer &&
                      end->reason >= kEndAppGeneric && end->reason < kEndAppException;
  return closed || now >= peer.established + kCameUpAfter ? 0 : peer.failed_dials + 1;
}

void Endpoint::Impl::fail_peer(Peer& peer, ConnectionState state, int reason,
                               const std::string& text, Instant now) {
  if (!peer.detached()) report_failure(peer, state, reason, text, now);
  if (peer.session() == nullptr) return erase(peer);
  leave(peer).close(reason, text, false, now);
  touch(peer, now);
}

void Endpoint::Impl::report_failure(const Peer& peer, ConnectionState state, int reason,
                                    const std::string& text, Instant now) {
  ConnectionInfo info;
  fill_info(peer, now, info);
  info.state = state;
  info.end_reason = reason;
  info.end_debug = text;
  counters.add(Count::kSessionsFailed);
  log(LogLevel::kInfo, "session with " + peer.user.text() + " failed: " + text);
  failed.put(info, now, config.limits.failed_records_max, failed_dials(peer, now));
  report_change(info);
  post(SessionFailedEvent{std::move(info)});
}

// Why no session came about in time, with what is likely, as far as the answers tell.
std::string Endpoint::Impl::timeout_text(const Peer& peer) {
  const std::string waited = seconds_text(peer.options.timeout_initial);
  const auto* before = peer.as<Peer::WaitsForRoute>();
  if (before != nullptr && before->asked && !before->route) {
    return peer.user.text() + " could not be looked up in " + waited +
           ": there is no answer from the server";
  }
  const Dial* dial = peer.dial();
  if (dial == nullptr) return peer.user.text() + " did not accept or answer in " + waited;
  const std::string who = peer.user.text() + place_of(*dial);
  if (dial->stage() == Dial::Stage::kFinishSent) {
    return who + " answered, but did not accept in " + waited +
           ": it ignores us, wants a certificate, or knows our name under another key";
  }
  if (dial->answers_unreadable()) {
    return who + " did not accept or answer in " + waited +
           " with anything that can be read: other app id, or other key";
  }
  return who + " did not accept or answer in " + waited +
         ": not running, wrong address or key, other app id, a firewall, or it ignores us";
}

std::string Endpoint::Impl::failure_text(const Peer& peer, const SessionEnd& end) const {
  const std::string who = peer.user.text() + " " + peer.session()->remote().place();
  switch (end.kind) {
    case SessionEnd::Kind::kTimedOut: {
      const std::string text = "no answer from " + who + " in " + seconds_text(end.waited);
      return end.text == "no answer" ? text : text + ", and " + end.text;
    }
    case SessionEnd::Kind::kClosedByPeer:
      return "closed by " + who + (end.text.empty() ? "" : ": " + end.text);
    default:
      return who + ": " + end.text;
  }
}

void Endpoint::Impl::report_end(Peer& peer, Instant now) {
  if (!peer.session()->end() || peer.detached()) return;
  const SessionEnd end = *peer.session()->end();
  const bool by_peer = end.kind == SessionEnd::Kind::kClosedByPeer;
  ConnectionInfo info;
  fill_info(peer, now, info);
  if (end.kind == SessionEnd::Kind::kIdle && !config.tells_ends) {
    info.state = ConnectionState::kNone;
    info.end_reason = end.reason;
    report_change(info);
    leave(peer);
    return;
  }
  info.state = by_peer ? ConnectionState::kClosedByPeer : ConnectionState::kProblemDetectedLocally;
  info.end_reason = end.reason;
  info.end_debug = failure_text(peer, end);
  failed.put(info, now, config.limits.failed_records_max, failed_dials(peer, now));
  report_change(info);
  // A clean close by the peer is no failure, unless it took reliable messages with it.
  const bool lost = end.lost_reliable || peer.waiting_bytes() > 0;
  const bool put_out = end.reason == kEndRemoteElsewhere;
  if (!by_peer || lost || put_out || config.tells_ends) {
    counters.add(Count::kSessionsFailed);
    log(LogLevel::kInfo, "session failed: " + info.end_debug);
    post(SessionFailedEvent{std::move(info)});
  }
  leave(peer);
}

void Endpoint::Impl::report_change(const ConnectionInfo& info) {
  if (tells_changes) post(SessionChangedEvent{info});
}

void Endpoint::Impl::on_up(Peer& peer, Instant now) {
  peer.gate->open.store(true, std::memory_order_release);
  if (!tells_changes) return;
  ConnectionInfo info;
  fill_info(peer, now, info);
  info.state = ConnectionState::kConnected;
  report_change(info);
}

}  // namespace whimbrel
