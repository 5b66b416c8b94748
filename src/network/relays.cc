#include "network/relays.h"

#include <algorithm>

namespace whimbrel {

namespace {

// Where there is a choice, it is looked at again this often, give or take a quarter.
constexpr Duration kRoundInterval = seconds(300);
// A relay was lost: perhaps our network is another one now. No sooner than this after the last
// round.
constexpr Duration kRoundPause = seconds(10);
// A site that was silent, refused us or stops is taken only if there is no other.
constexpr Duration kAvoidTime = seconds(30);
constexpr Duration kWantedTime = seconds(60);
constexpr Duration kIdleCheckInterval = seconds(10);
constexpr std::size_t kEventsMax = 1024;

// RFC 8305 section 5, Connection Attempt Delay: a site's first address has this time to answer
// before another is preferred.
constexpr Duration kAttemptDelay = milliseconds(250);

// By so much must another site be nearer.
constexpr Duration kMoveMargin = milliseconds(5);

}  // namespace

// --- sites ---------------------------------------------------------------------------------------

Relays::Site* Relays::find(SiteId id) {
  for (const auto& site : sites_) {
    if (site->id == id) return site.get();
  }
  return nullptr;
}

const Relays::Site* Relays::find(SiteId id) const { return const_cast<Relays*>(this)->find(id); }

Relays::Site& Relays::site_for(const SiteTicket& ticket) {
  const SiteId id = relay::site_id(ticket.name);
  if (Site* known = find(id)) return *known;
  Site& site = *sites_.emplace_back(std::make_unique<Site>());
  site.id = id;
  site.name = ticket.name;
  return site;
}

// Of `tickets`, from the first one of this site on.
void Relays::take_addresses(Site& site, std::span<const SiteTicket> tickets) {
  const IpAddress before = site.ticket.relay;
  site.offered = true;
  site.addresses.clear();
  for (const SiteTicket& given : tickets) {
    const IpAddress& address = given.ticket.relay;
    const bool own = relay::site_id(given.name) == site.id && !site.has(address);
    if (!own || site.addresses.size() == kAddressesMax) continue;
    // It stays where it is.
    if (site.addresses.empty() || address == before) site.ticket = given.ticket;
    site.addresses.push_back(address);
  }
}

void Relays::on_tickets(const std::vector<SiteTicket>& tickets, Instant now) {
  for (const auto& site : sites_) site->offered = false;
  std::size_t offered = 0;
  for (std::size_t i = 0; i < tickets.size() && offered < kSitesMax; ++i) {
    Site& site = site_for(tickets[i]);
    if (site.offered) continue;
    ++offered;
    take_addresses(site, std::span(tickets).subspan(i));
    const bool used = site.leg && site.leg->state() != relay::Leg::State::kClosed;
    if (used) site.leg->open(site.ticket, now);
  }
  const std::size_t before = sites_.size();
  for (const auto& site : sites_) {
    if (site->offered) continue;
    if (site->open()) post(site->id, relay::LegLost{relay::LegLost::Why::kClosed, {}});
    if (home_ == site.get()) home_ = nullptr;
    if (backup_ == site.get()) backup_ = nullptr;
  }
  std::erase_if(sites_, [](const auto& site) { return !site->offered; });
  if (sites_.empty()) return;
  if (next_idle_check_ == kNever) next_idle_check_ = now + kIdleCheckInterval;
  // A place in the order of the tickets counts until more is known.
  std::stable_sort(sites_.begin(), sites_.end(), [&](const auto& a, const auto& b) {
    const auto place = [&](const auto& site) {
      return std::find_if(tickets.begin(), tickets.end(),
                          [&](const SiteTicket& one) { return one.name == site->name; });
    };
    return place(a) < place(b);
  });
  const bool changed = sites_.size() != before || home_ == nullptr;
  if (sites_.size() == 1) settle_on(sites_[0].get(), now);
  if (changed) probe(now);
}

// --- which ones ----------------------------------------------------------------------------------

bool Relays::has_choice() const {
  return sites_.size() > 1 || (sites_.size() == 1 && sites_[0]->addresses.size() > 1);
}

void Relays::probe(Instant now) {
  if (probes_.running()) return;
  next_round_ = kNever;
  if (!has_choice()) return;
  std::vector<IpAddress> addresses;
  probed_.clear();
  for (const auto& site : sites_) {
    for (const IpAddress& address : site->addresses) {
      if (addresses.size() == StunProbes::kAddressesMax) break;
      addresses.push_back(address);
      probed_.push_back({site->id, address});
    }
  }
  probes_.start(addresses, now);
  last_round_ = now;
  race_at_ = now + kAttemptDelay;
  const double spread = 0.75 + 0.5 * random_.unit();
  next_round_ =
      now +
      Duration(static_cast<std::int64_t>(static_cast<double>(kRoundInterval.count()) * spread));
}

void Relays::probe_soon(Instant now) {
  if (now - last_round_ >= kRoundPause) return probe(now);
  next_round_ = std::min(next_round_, last_round_ + kRoundPause);
}

std::optional<Duration> Relays::score(const Site& site) const {
  for (std::size_t i = 0; i < probed_.size(); ++i) {
    if (probed_[i].site == site.id && probed_[i].address == site.ticket.relay)
      return probes_.score(i);
  }
  return std::nullopt;
}

// Where a site is not open, and its address does not answer, it goes on at the best of those that
// do.
void Relays::prefer_answering(Site& site, Instant now) {
  const bool opening = site.leg && site.leg->state() == relay::Leg::State::kOpening;
  if (site.open() || (opening && score(site))) return;
  std::optional<Duration> least;
  for (std::size_t i = 0; i < probed_.size(); ++i) {
    const auto score = probes_.score(i);
    if (probed_[i].site != site.id || !score || (least && *least <= *score)) continue;
    least = score;
    site.ticket.relay = probed_[i].address;
  }
  if (least && opening) site.leg->open(site.ticket, now);
}

void Relays::race(Instant now) {
  race_at_ = kNever;
  for (const auto& site : sites_) {
    if (site->addresses.size() > 1) prefer_answering(*site, now);
  }
}

void Relays::on_answer(Instant now) {
  const auto first = probes_.first_answer();
  if (home_ == nullptr && first) {
    home_ = find(probed_[*first].site);
    if (home_ == nullptr) return;
    prefer_answering(*home_, now);
    open(*home_, now);
  }
  if (now - last_round_ >= kAttemptDelay) race(now);
}

void Relays::on_round_done(Instant now) {
  race(now);
  for (const auto& site : sites_) {
    const auto found = score(*site);
    if (found) site->rtt = found;
    if (!found && !site->open()) site->avoid_until = now + kAvoidTime;
  }
  choose(now);
  // Nothing answers: perhaps there is no network at the moment.
  if (home_ != nullptr && !home_->open() && !score(*home_)) probe_soon(now);
}

std::optional<Duration> Relays::rtt(const Site& site) const {
  if (site.rtt) return site.rtt;
  if (site.open() && site.leg->rtt() != Duration::zero()) return site.leg->rtt();
  return std::nullopt;
}

bool Relays::better(const Site& a, const Site& b, Instant now) const {
  if ((now < a.avoid_until) != (now < b.avoid_until)) return now < b.avoid_until;
  return a.rtt.value_or(Duration::max()) < b.rtt.value_or(Duration::max());
}

bool Relays::worth_a_move(const Site& a, const Site& b, Instant now) const {
  if (!better(a, b, now)) return false;
  if (now < b.avoid_until || !b.rtt || !a.rtt) return true;
  return *b.rtt - *a.rtt > std::max(kMoveMargin, *b.rtt / 10);
}

Relays::Site* Relays::best(const Site* except, Instant now) {
  Site* found = nullptr;
  for (const auto& site : sites_) {
    if (site.get() == except) continue;
    if (found == nullptr || better(*site, *found, now)) found = site.get();
  }
  return found;
}

void Relays::choose(Instant now) {
  Site* nearest = best(nullptr, now);
  if (nearest == nullptr) return;
  const bool move = home_ == nullptr || worth_a_move(*nearest, *home_, now);
  settle_on(move ? nearest : home_, now);
}

void Relays::settle_on(Site* home, Instant now) {
  home_ = home;
  open(*home_, now);
  Site* next = best(home_, now);
  if (next == nullptr) {
    backup_ = nullptr;
    return;
  }
  const bool keep = backup_ != nullptr && backup_ != home_ && !worth_a_move(*next, *backup_, now);
  if (!keep) backup_ = next;
  open(*backup_, now);
}

void Relays::open(Site& site, Instant now) {
  if (!site.fault.empty() && now < site.avoid_until) return;
  if (!site.leg) site.leg = std::make_unique<relay::Leg>(random_);
  if (site.leg->state() == relay::Leg::State::kClosed) site.leg->open(site.ticket, now);
}

bool Relays::want(SiteId id, Instant now) {
  Site* site = find(id);
  if (site == nullptr) return false;
  site->wanted_until = now + kWantedTime;
  open(*site, now);
  return true;
}

void Relays::close_idle(Instant now) {
  next_idle_check_ = now + kIdleCheckInterval;
  for (const auto& site : sites_) {
    const bool used = site.get() == home_ || site.get() == backup_ || now < site->wanted_until;
    if (used || !site->leg || site->leg->state() == relay::Leg::State::kClosed) continue;
    const bool was_open = site->open();
    site->leg->close();
    if (was_open) post(site->id, relay::LegLost{relay::LegLost::Why::kClosed, {}});
  }
}

// --- packets and time ----------------------------------------------------------------------------

bool Relays::owns(const IpAddress& from, Bytes datagram) const {
  if (datagram.empty()) return false;
  const bool ours = relay::is_relay_packet(datagram[0]) || is_stun_packet(datagram[0]);
  return ours && std::any_of(sites_.begin(), sites_.end(),
                             [&](const auto& site) { return site->has(from); });
}

std::optional<Relays::Received> Relays::receive(const IpAddress& from, MutableBytes datagram,
                                                Instant now) {
  if (is_stun_packet(datagram[0])) {
    if (probes_.receive(from, datagram, now)) on_answer(now);
    return std::nullopt;
  }
  for (const auto& site : sites_) {
    if (!site->leg || site->ticket.relay != from) continue;
    const auto received = site->leg->receive(datagram, now);
    take_events(*site, now);
    if (!received) return std::nullopt;
    return Received{site->id, received->from, received->payload};
  }
  return std::nullopt;
}

void Relays::post(SiteId site, const relay::LegEvent& event) {
  if (events_.size() < kEventsMax) events_.push_back({site, event});
}

namespace {

// What an operator can do something about.
std::string refusal_text(const relay::LegLost& lost) {
  if (lost.why != relay::LegLost::Why::kRefused) return "";
  if (lost.refusal == relay::Refusal::kFull) return " is full: try again later";
  if (lost.refusal == relay::Refusal::kIdentityLimit)
    return " has as many slots of ours as it gives: end other programs under this name";
  return "";
}

}  // namespace

void Relays::take_events(Site& site, Instant now) {
  bool look_around = false;
  while (const auto event = site.leg->poll_event()) {
    if (std::holds_alternative<relay::LegOpened>(*event)) {
      if (site.leg->relay_id() != site.id) {
        // Its packets would go nowhere: grants name the relay by its site.
        site.avoid_until = now + kRoundInterval;
        site.fault = "the relay at " + site.ticket.relay.text() + " does not call itself \"" +
                     site.name + "\": the names of the sites differ";
        site.leg->close();
        look_around = true;
        continue;
      }
      site.avoid_until = {};
      site.fault.clear();
    }
    if (std::holds_alternative<relay::LegResumed>(*event)) site.avoid_until = {};
    if (const auto* lost = std::get_if<relay::LegLost>(&*event)) {
      const std::string fault = refusal_text(*lost);
      if (!fault.empty()) site.fault = "the relay at " + site.ticket.relay.text() + fault;
    }
    const bool bad = std::holds_alternative<relay::LegLost>(*event) ||
                     std::holds_alternative<relay::LegDraining>(*event);
    if (bad) site.avoid_until = now + kAvoidTime;
    look_around = look_around || bad;
    post(site.id, *event);
  }
  if (!look_around || !has_choice() || (&site != home_ && &site != backup_)) return;
  choose(now);
  probe_soon(now);
}

std::optional<RelaysEvent> Relays::poll_event() {
  if (events_.empty()) return std::nullopt;
  const RelaysEvent event = events_.front();
  events_.pop_front();
  return event;
}

void Relays::advance(Instant now) {
  for (const auto& site : sites_) {
    if (!site->leg) continue;
    site->leg->advance(now);
    take_events(*site, now);
  }
  if (now >= next_round_) probe(now);
  if (now >= race_at_) race(now);
  if (probes_.poll_done(now)) on_round_done(now);
  if (now >= next_idle_check_) close_idle(now);
}

std::optional<Transmit> Relays::poll_transmit(MutableBytes buffer, Instant now) {
  for (const auto& site : sites_) {
    if (!site->leg) continue;
    if (const std::size_t size = site->leg->poll_transmit(buffer, now)) {
      take_events(*site, now);
      return Transmit{site->ticket.relay, size, size};
    }
  }
  if (const auto request = probes_.poll_transmit(buffer, now))
    return Transmit{request->to, request->size, request->size};
  return std::nullopt;
}

void Relays::leave() {
  for (const auto& site : sites_) {
    if (site->leg) site->leg->close();
  }
}

Instant Relays::next_deadline() const {
  Instant next = std::min({next_round_, race_at_, next_idle_check_, probes_.next_deadline()});
  for (const auto& site : sites_) {
    if (site->leg) next = std::min(next, site->leg->next_deadline());
  }
  return next;
}

}  // namespace whimbrel
