// Session, its paths: which there are, which one is used, and what the two sides tell each other of
// them.
#include <algorithm>
#include <array>

#include "base/timers.h"
#include "session/session.h"

namespace whimbrel {

// In the order in which those that are due at once fire.
enum class Session::PathTimer : std::uint8_t {
  kPath,       // its own (path/path.cc)
  kChallenge,  // of an address that the peer may be at
  kQuestion,   // a path that is not in use is asked whether it still works
  kDoubt,      // no answer for so long that it is in doubt
  kDeath,      // and dead
  kCount
};

namespace {

// A path on which nothing answers is in doubt, then dead. The same as for a relay leg
// (docs/PROTOCOL.md, section 8).
constexpr Duration kDoubtMin = milliseconds(150);
constexpr Duration kDoubtSlack = milliseconds(50);
constexpr Duration kDeadMin = milliseconds(400);

Duration round_trip_of(const PathEntry& entry) {
  const RttEstimator& rtt = entry.path.rtt();
  return rtt.has_sample() ? rtt.smoothed() : entry.carrier_rtt;
}
Duration doubt_after(const PathEntry& entry) {
  return std::max(kDoubtMin, 2 * round_trip_of(entry) + kDoubtSlack);
}
Duration dead_after(const PathEntry& entry) { return std::max(kDeadMin, 4 * round_trip_of(entry)); }

}  // namespace

// --- what is known of a path ---------------------------------------------------------------------

Duration Session::silence_of(const PathEntry& entry, Instant now) const {
  const Instant asked = entry.path.oldest_unacked_time();
  return asked == kNever ? Duration::zero() : now - std::max(asked, entry.heard);
}

bool Session::is_dead(const PathEntry& entry, Instant now) const {
  return silence_of(entry, now) >= dead_after(entry);
}

PathView Session::view_of(const PathEntry& entry, Instant now) const {
  PathView view;
  view.id = entry.id();
  view.direct = entry.remote.udp() != nullptr;
  view.v6 = view.direct && !entry.remote.udp()->is_v4();
  view.usable = entry.usable();
  view.dead = entry.is<PathEntry::Suspect>() || is_dead(entry, now);
  view.doubted =
      entry.carrier == CarrierState::kDoubted || silence_of(entry, now) >= doubt_after(entry);
  view.draining = entry.carrier == CarrierState::kDraining;
  view.peer_standby = entry.peer_standby;
  view.rtt = entry.carrier_rtt > Duration::zero() ? entry.carrier_rtt : entry.path.rtt().min();
  return view;
}

// Whether a path that is not in use is worth a question at this time.
bool Session::asks_at(const PathEntry& entry, Instant at) const {
  return entry.path.idle() && at < last_message_ + kQuietLine;
}

// From when on silence counts; kNever: nobody waits for an answer on it.
Instant Session::silent_since(const PathEntry& entry) const {
  const Instant asked = entry.path.oldest_unacked_time();
  if (asked == kNever || !entry.usable() || entry.is<PathEntry::Suspect>()) return kNever;
  return std::max(asked, entry.heard);
}

inline Instant Session::deadline_of(const PathEntry& entry, PathTimer timer) const {
  switch (timer) {
    case PathTimer::kPath:
      return entry.path.next_deadline();
    case PathTimer::kChallenge: {
      const auto* probing = paths_.several() ? entry.as<PathEntry::Probing>() : nullptr;
      if (probing != nullptr) return probing->validation->next_send;
      return entry.validation ? entry.validation->next_send : kNever;
    }
    case PathTimer::kQuestion:
      if (const auto* standby = entry.as<PathEntry::Standby>()) return standby->probe_at;
      if (const auto* suspect = entry.as<PathEntry::Suspect>()) return suspect->probe_at;
      return kNever;
    case PathTimer::kDoubt:
    case PathTimer::kDeath: {
      const Instant since = silent_since(entry);
      if (since == kNever) return kNever;
      const Instant look =
          since + (timer == PathTimer::kDoubt ? doubt_after(entry) : dead_after(entry));
      return look > looked_at_paths_ ? look : kNever;
    }
    case PathTimer::kCount:
      break;
  }
  return kNever;
}

Instant Session::path_deadline(const PathEntry& entry) const {
  if (entry.is<PathEntry::Gone>()) return kNever;
  // A single path is compared with no other one.
  if (!paths_.several())
    return std::min(deadline_of(entry, PathTimer::kPath),
                    deadline_of(entry, PathTimer::kChallenge));
  return earliest_of<PathTimer>([&](PathTimer timer) {
    const Instant deadline = deadline_of(entry, timer);
    return timer != PathTimer::kQuestion || asks_at(entry, deadline) ? deadline : kNever;
  });
}

void Session::on_path_timer(PathEntry& entry, PathTimer timer, Instant now) {
  switch (timer) {
    case PathTimer::kPath:
      return entry.path.on_deadline(now, *this);
    case PathTimer::kChallenge:
      return advance_validation(entry, now);
    case PathTimer::kQuestion:
      if (auto* standby = entry.as<PathEntry::Standby>()) standby->probe_at = now + kProbeInterval;
      if (auto* suspect = entry.as<PathEntry::Suspect>()) suspect->probe_at = now + kProbeInterval;
      if (asks_at(entry, now)) entry.probe_owed = true;
      return;
    case PathTimer::kDoubt:  // settle_paths() follows
    case PathTimer::kDeath:
    case PathTimer::kCount:
      return;
  }
}

void Session::advance_path(PathEntry& entry, Instant now) {
  if (entry.is<PathEntry::Gone>()) return;
  fire_due<PathTimer>(
      now, [&](PathTimer timer) { return deadline_of(entry, timer); },
      [&](PathTimer timer) { on_path_timer(entry, timer, now); });
}

// A packet of the peer has come on it. An address may be forged, and has to answer a challenge.
void Session::on_path_works(PathEntry& entry, Instant now) {
  if (entry.is<PathEntry::Probing>() && !entry.path.address_validated()) return;
  if (entry.is<PathEntry::Probing>() || entry.is<PathEntry::Suspect>())
    entry.state = PathEntry::Standby{now + kProbeInterval};
}

// --- which path is used --------------------------------------------------------------------------

void Session::settle_paths(Instant now) {
  looked_at_paths_ = now;
  look_at_paths_ = false;
  place_first(now);
  choose(now);
  if (!paths_.active().usable()) move_active(now);
  open_paths(now);
  paths_.for_each([&](PathEntry& entry) {
    const bool silent = !entry.usable() || is_dead(entry, now);
    if (entry.is<PathEntry::Standby>() && silent) suspect(entry, now);
    const RelayRemote* relay = entry.remote.relay();
    const bool idle = !entry.is<PathEntry::Active>() && !entry.is<PathEntry::Gone>();
    if (idle && paths_.leads() && relay != nullptr && paths_.carrier_of(relay->site) == nullptr)
      abandon(entry);
    update_status(entry);
  });
  paths_.sweep();
}

void Session::choose(Instant now) {
  std::array<PathView, kPathsMax> views;
  std::size_t count = 0;
  paths_.for_each([&](const PathEntry& entry) {
    if (!entry.is<PathEntry::Gone>() && !entry.is<PathEntry::Opening>())
      views[count++] = view_of(entry, now);
  });
  PathChoice& choice = paths_.choice();
  choice.active = paths_.active().id();
  const bool doubled = choice.also.has_value();
  choice = choose_path({views.data(), count}, PathPolicy{.leads = paths_.leads()}, choice, now);
  // What is in flight on a path in doubt goes again as well, on both.
  if (choice.also && !doubled) path().give_back_all(*this);
  if (!choice.active || *choice.active == paths_.active().id()) return;
  use(*paths_.find(*choice.active), now);
}

// What was in flight on a path that is dead goes again at once; on one that still works its answers
// come.
void Session::use(PathEntry& entry, Instant now) {
  PathEntry& before = paths_.active();
  const bool lost = !before.usable() || is_dead(before, now);
  before.path.set_waiting(false);
  paths_.activate(entry, now);
  hold_since_ = kNever;
  if (!lost || before.is<PathEntry::Gone>()) return;
  suspect(before, now);
  // Whoever waits for an answer has lost the packet that asked for it.
  if (awaited_) owed_.ping = true;
}

void Session::suspect(PathEntry& entry, Instant now) {
  entry.state = PathEntry::Suspect{now + kProbeInterval};
  entry.path.abandon(*this);
}

// The follower says only what it cannot use.
void Session::update_status(PathEntry& entry) {
  if (entry.is<PathEntry::Opening>() || entry.is<PathEntry::Probing>() ||
      entry.is<PathEntry::Gone>()) {
    return;
  }
  const bool works = entry.carrier == CarrierState::kUp || entry.carrier == CarrierState::kDoubted;
  const bool standby = paths_.leads() ? !entry.is<PathEntry::Active>() : !works;
  if (standby == entry.standby_said) return;
  entry.standby_said = standby;
  paths_.owe(entry.status_owed);
}

// --- relays --------------------------------------------------------------------------------------

void Session::set_carriers(std::span<const RelayCarrier> carriers, Instant now) {
  if (phase() == SessionPhase::kEnded || paths_.first().remote.udp() != nullptr) return;
  const bool was_cut = !paths_.active().usable();
  channels_.expect_copies();
  paths_.set_carriers(carriers);
  paths_.for_each([&](PathEntry& entry) { take_carrier(entry, now); });
  settle_paths(now);
  // What asked for an answer went to an old slot, and none of it goes again.
  if (awaited_ && paths_.idle()) owed_.ping = true;
  if (!was_cut || !paths_.active().usable()) return;
  // Who only listens says that it is there: the other side may wait for its own probe's turn.
  if (paths_.idle()) owed_.ping = true;
  path().probe_now(now, *this);
  // The peer has had no chance to answer.
  if (awaited_) awaited_->since = now;
}

void Session::take_carrier(PathEntry& entry, Instant now) {
  const RelayRemote* relay = entry.remote.relay();
  if (relay == nullptr || entry.is<PathEntry::Gone>()) return;
  const RelayCarrier* carrier = paths_.carrier_of(relay->site);
  const CarrierState before = entry.carrier;
  entry.carrier = carrier == nullptr ? CarrierState::kDown : carrier->state;
  if (carrier == nullptr) return;
  // The peer may have a new slot there. What went to the old one has come by now, or never will.
  if (*relay != carrier->remote) entry.path.abandon(*this);
  entry.remote = carrier->remote;
  entry.carrier_rtt = carrier->rtt;
  const bool was_shut = before == CarrierState::kDown || before == CarrierState::kDoubted;
  if (!was_shut || entry.carrier != CarrierState::kUp) return;
  entry.path.probe_now(now, *this);
  if (entry.is<PathEntry::Suspect>()) entry.probe_owed = true;
}

// The path of the handshake goes over the relay that can be used first, or is nearest.
void Session::place_first(Instant now) {
  if (paths_.first().remote.signal() == nullptr) return;
  const RelayCarrier* best = nullptr;
  const auto rank = [](const RelayCarrier& one) {
    return std::tuple(one.state != CarrierState::kUp, one.rtt, one.remote.site);
  };
  for (const RelayCarrier& carrier : paths_.carriers()) {
    if (carrier.state == CarrierState::kDown) continue;
    if (best == nullptr || rank(carrier) < rank(*best)) best = &carrier;
  }
  if (best != nullptr) move_entry(paths_.first(), best->remote, now);
}

// No path can be used, and no frame can open another: the active one is moved to a relay that has
// none.
void Session::move_active(Instant now) {
  for (const RelayCarrier& carrier : paths_.carriers()) {
    if (carrier.state == CarrierState::kDown || paths_.find_site(carrier.remote.site) != nullptr)
      continue;
    return move_entry(paths_.active(), carrier.remote, now);
  }
}

void Session::move_entry(PathEntry& entry, const Remote& to, Instant now) {
  const bool used = entry.path.rtt().has_sample();
  entry.remote = to;
  const RelayCarrier* carrier = paths_.carrier_of(to.relay()->site);
  entry.carrier = carrier == nullptr ? CarrierState::kDown : carrier->state;
  if (carrier != nullptr) entry.carrier_rtt = carrier->rtt;
  if (!used) return;
  const Duration rtt = entry.carrier_rtt;
  entry.path.reset_for_new_route(now, rtt > Duration::zero() ? std::optional(rtt) : std::nullopt);
}

// The leader says over which relay a path goes. It gives in only if its own relay leads nowhere.
void Session::on_other_relay(const Arrival& arrival) {
  PathEntry& entry = arrival.entry;
  const RelayRemote* own = entry.remote.relay();
  if (own != nullptr && own->site == arrival.from.relay()->site)
    return on_path_works(entry, arrival.now);  // of a slot that is about to be told
  if (!arrival.is_newest || (paths_.leads() && entry.usable())) return;
  move_entry(entry, arrival.from, arrival.now);
}

// --- opening and giving up -----------------------------------------------------------------------

void Session::open_paths(Instant now) {
  if (!paths_.carriers_are_new() || !paths_.leads() || !confirmed()) return;
  if (phase() != SessionPhase::kUp || !paths_.active().usable()) return;
  for (const RelayCarrier& carrier : paths_.carriers()) {
    if (carrier.state != CarrierState::kUp || paths_.find_site(carrier.remote.site) != nullptr)
      continue;
    PathConfig config = path().config();
    if (carrier.rtt > Duration::zero()) config.rtt_initial = carrier.rtt;
    PathEntry* entry = paths_.open(config, now);
    if (entry == nullptr) return;
    entry->remote = carrier.remote;
    entry->carrier = carrier.state;
    entry->carrier_rtt = carrier.rtt;
    entry->path.set_address_validated();
    entry->standby_said = true;  // what the peer takes it for
  }
  paths_.note_carriers();
}

FrameVerdict Session::on_path_index(const PathIndexFrame& frame, Instant now) {
  PathEntry* entry = paths_.find(frame.path);
  if (entry != nullptr && paths_.leads() && entry->remote_index == 0) {
    entry->remote_index = frame.index;
    entry->state = PathEntry::Probing{new_validation(entry->remote, now)};
    return FrameVerdict::kTaken;
  }
  if (entry != nullptr || paths_.was_there(frame.path)) return FrameVerdict::kTaken;
  // Each path that ends may leave a gap, and those that are here may end yet.
  if (paths_.leads() || value(frame.path) >= kPathIdsMax || !paths_.gaps_are_few())
    return FrameVerdict::kViolation;
  entry = paths_.accept(frame.path, path().config(), now);
  if (entry == nullptr) return FrameVerdict::kRefused;
  entry->remote_index = frame.index;
  entry->carrier = CarrierState::kDown;
  entry->peer_standby = true;
  return FrameVerdict::kTaken;
}

// On a path that the peer has opened: now we know where it is.
void Session::on_first_packet(const Arrival& arrival) {
  PathEntry& entry = arrival.entry;
  if (paths_.leads() || entry.remote_index == 0) return;
  entry.remote = arrival.from;
  if (entry.remote.relay() == nullptr) {
    entry.carrier = CarrierState::kUp;
    entry.path.on_unvalidated_bytes(arrival.bytes);
    entry.state = PathEntry::Probing{new_validation(entry.remote, arrival.now)};
    entry.as<PathEntry::Probing>()->validation->bytes_received = arrival.bytes;
    return;
  }
  entry.path.set_address_validated();
  take_carrier(entry, arrival.now);
  entry.state = PathEntry::Standby{arrival.now + kProbeInterval};
}

FrameVerdict Session::on_path_status(const PathStatusFrame& frame) {
  PathEntry* entry = paths_.find(frame.path);
  if (entry == nullptr)
    return paths_.was_there(frame.path) ? FrameVerdict::kTaken : FrameVerdict::kViolation;
  if (frame.sequence < entry->peer_status) return FrameVerdict::kTaken;
  look_at_paths_ = true;
  entry->peer_status = frame.sequence + 1;
  entry->peer_standby = frame.standby;
  return FrameVerdict::kTaken;
}

FrameVerdict Session::on_path_abandon(const PathAbandonFrame& frame) {
  PathEntry* entry = paths_.find(frame.path);
  if (entry == nullptr) {
    // What has opened it may be lost, or come later.
    const bool known = paths_.was_there(frame.path);
    const bool sane = value(frame.path) < kPathIdsMax;
    return known || (sane && paths_.end_unseen(frame.path)) ? FrameVerdict::kTaken
                                                            : FrameVerdict::kViolation;
  }
  if (!entry->is<PathEntry::Gone>()) entry->path.abandon(*this);
  look_at_paths_ = true;
  entry->state = PathEntry::Gone{.known = true};
  return FrameVerdict::kTaken;
}

void Session::abandon(PathEntry& entry) {
  entry.path.abandon(*this);
  entry.state = PathEntry::Gone{};
  paths_.owe(entry.abandon_owed);
}

void Session::on_abandon_acked(PathId id) {
  PathEntry* entry = paths_.find(id);
  if (entry == nullptr) return;
  if (auto* gone = entry->as<PathEntry::Gone>()) gone->known = look_at_paths_ = true;
}

// --- what is said of them ------------------------------------------------------------------------

bool Session::write_path_frames(ByteWriter& out) {
  bool wrote = false;
  const auto note = [&](PathEntry& entry, FrameType type, bool& owed) {
    records_.push_back(SentFrame{type, 0, 0, value(entry.id()), 0});
    paths_.paid(owed);
    wrote = true;
  };
  paths_.for_each([&](PathEntry& entry) {
    if (entry.index_owed && out.remaining() >= kPathFrameSizeMax) {
      write_path_index(out, {entry.id(), entry.local_index});
      note(entry, FrameType::kPathIndex, entry.index_owed);
    }
    if (entry.abandon_owed && out.remaining() >= kPathFrameSizeMax) {
      write_path_abandon(out, {entry.id()});
      note(entry, FrameType::kPathAbandon, entry.abandon_owed);
    }
    if (entry.status_owed && out.remaining() >= kPathFrameSizeMax) {
      write_path_status(out, {entry.id(), paths_.next_status(), entry.standby_said});
      note(entry, FrameType::kPathStatus, entry.status_owed);
    }
  });
  return wrote;
}

void Session::on_path_frame_lost(const SentFrame& frame) {
  PathEntry* entry = paths_.find(PathId{static_cast<std::uint32_t>(frame.offset)});
  if (entry == nullptr) return;
  const bool gone = entry->is<PathEntry::Gone>();
  if (frame.type == FrameType::kPathAbandon) {
    if (gone && !entry->as<PathEntry::Gone>()->known) paths_.owe(entry->abandon_owed);
  } else if (!gone) {
    paths_.owe(frame.type == FrameType::kPathIndex ? entry->index_owed : entry->status_owed);
  }
}

// An acknowledgement goes on its own path; where nothing can be sent on that, it goes along here.
bool Session::owes_other_acks(Instant now) const {
  bool owes = false;
  paths_.for_each([&](const PathEntry& entry) {
    owes = owes || (!entry.usable() && !entry.is<PathEntry::Gone>() && entry.path.ack_due(now));
  });
  return owes;
}

void Session::write_other_acks(ByteWriter& out, Instant now) {
  paths_.for_each([&](PathEntry& entry) {
    if (entry.usable() || entry.is<PathEntry::Gone>() || !entry.path.has_ack()) return;
    AckFrame ack;
    entry.path.make_ack(ack, now);
    if (write_path_ack(out, entry.id(), ack) > 0) entry.path.on_ack_written_elsewhere();
  });
}

std::optional<RemoteTransmit> Session::transmit_doubled(MutableBytes buffer) {
  if (doubled_.empty()) return std::nullopt;
  const Doubled doubled = std::move(doubled_.front());
  doubled_.erase(doubled_.begin());
  std::copy(doubled.packet.begin(), doubled.packet.end(), buffer.begin());
  return RemoteTransmit{doubled.to, doubled.packet.size(), doubled.packet.size()};
}

// Packets on other paths than the active one: answers, questions, and copies of what the active one
// carries in doubt.
std::optional<RemoteTransmit> Session::transmit_aside(MutableBytes buffer, Instant now) {
  std::optional<RemoteTransmit> out = transmit_doubled(buffer);
  paths_.for_each([&](PathEntry& entry) {
    if (out || &entry == &paths_.active()) return;
    out = transmit_probe(entry, buffer, now);
    if (out || !entry.usable()) return;
    if (!entry.probe_owed && entry.path.probes_owed() == 0 && !entry.path.ack_due(now)) return;
    const std::size_t size =
        build_data_packet(entry, buffer.first(entry.path.datagram_size()), now);
    if (size > 0) out = RemoteTransmit{entry.remote, size, size};
  });
  return out;
}

// While the active path is in doubt, what it carries leaves on another one as well; who receives
// drops the second.
void Session::double_packet(Bytes content, Instant now) {
  PathEntry* also = paths_.also();
  if (also == nullptr || !also->usable() || doubled_.size() >= kDoubledMax) return;
  const PacketNumber number = also->path.next_packet_number();
  const std::size_t head = 5u + packet_number_size(number, also->path.next_unacked());
  const std::size_t size = head + content.size() + kTagSize;
  if (size > also->path.datagram_size() || also->path.send_allowance(now) < size) return;
  std::vector<std::uint8_t> packet(size);
  std::copy(content.begin(), content.end(), packet.begin() + static_cast<std::ptrdiff_t>(head));
  seal(*also, packet, content.size(), head, number);
  also->path.on_packet_sent(now, size, true, PacketPurpose::kNormal, records_);
  sent(size, true, now);
  doubled_.push_back({also->remote, std::move(packet)});
}

}  // namespace whimbrel
