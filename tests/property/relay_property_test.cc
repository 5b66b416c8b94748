// A relay under arbitrary datagrams from arbitrary addresses: honest clients, and around them
// somebody who sees what they send, copies, changes and forges it, and has tokens of his own.
// Whoever is asked by the tests who may be sent what is the model, never the relay.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "relay/leg.h"
#include "relay/relay_server.h"

namespace whimbrel::relay {
namespace {

constexpr UnixMillis kUnixStart = 1'800'000'000'000;
constexpr std::size_t kRecordedMax = 64;
using Datagram = std::vector<std::uint8_t>;

// Under which of its counters the relay has put datagrams; each counts once.
std::uint64_t counted(const RelayCounters& c) {
  return c.forwarded + c.opened + c.reopened + c.cookies + c.asked + c.refused_full +
         c.refused_identity + c.refused_draining + c.refused_expired + c.dropped_malformed +
         c.dropped_unknown_slot + c.dropped_bad_tag + c.dropped_replayed + c.dropped_rate +
         c.dropped_unbound + c.dropped_gone + c.dropped_bad_token + c.dropped_bad_mac +
         c.dropped_open_rate;
}

// An honest client, at one address after another.
struct Client {
  Client(Random& random, int number)
      : identity(identity_hash(7, "str:c" + std::to_string(number))), leg(random) {}

  IdentityHash identity;
  Leg leg;
  IpAddress address;
  std::set<IpAddress> heard_at;    // where something of the relay came to it
  std::set<IdentityHash> granted;  // whom its slot lets in
  std::vector<std::string> got;
};

class RelayWorld {
 public:
  RelayWorld(std::uint64_t seed, const RelayConfig& config, int clients)
      : config_(config),
        random_(seed),
        keys_(secret(1)),
        other_site_(secret(2)),
        server_(config, keys_, random_, now_, clock_) {
    for (int i = 0; i < clients; ++i) {
      clients_.push_back(std::make_unique<Client>(random_, i));
      move(*clients_.back());
    }
  }

  void act() {
    Client& client = any();
    Client& other = any();
    switch (random_.below(12)) {
      case 0:
        if (client.leg.state() == Leg::State::kOpen && random_.chance(0.8)) return;
        return client.leg.open(any_ticket(client), now_), drain(client);
      case 1:
        return bind(client, other), drain(client);
      case 2:
      case 3:
      case 4:
        if (!say(client, other, "x")) bind(client, other), drain(client);
        return;
      case 5:
        return random_.chance(0.3) ? move(client) : void();
      case 6:
        return pass(milliseconds(static_cast<std::int64_t>(random_.below(1000))));
      case 7:
        if (random_.chance(0.1)) leave(client);
        if (random_.chance(0.2)) revoke(client);
        return;
      case 8:
        if (random_.chance(0.02)) server_.drain(seconds(5), now_);
        return;
      default:
        return attack();
    }
  }

  // Both can send to each other from now on.
  void introduce(Client& a, Client& b) {
    for (Client* each : {&a, &b}) {
      if (each->leg.state() == Leg::State::kOpen) continue;
      each->leg.open(ticket(*each, 3600, keys_), now_);
      drain(*each);
      RC_ASSERT(each->leg.state() == Leg::State::kOpen);
    }
    for (const auto& [from, to] : {std::pair(&a, &b), std::pair(&b, &a)}) {
      from->leg.bind(grant(*to, from->identity, 3600), now_);
      from->leg.advance(now_);
      drain(*from);
      RC_ASSERT(from->leg.bound(to->leg.slot()));
    }
  }

  bool say(Client& from, const Client& to, const std::string& text) {
    std::array<std::uint8_t, 1500> buffer;
    const std::size_t size = from.leg.wrap(to.leg.slot(), as_bytes(text), buffer, now_);
    if (size == 0) return false;
    submit(from, {buffer.begin(), buffer.begin() + static_cast<long>(size)});
    return true;
  }

  void attack() {
    if (random_.chance(0.3)) return forge();
    if (recorded_.empty()) return;
    Datagram copy = recorded_[random_.below(recorded_.size())].bytes;
    if (random_.chance(0.5) && !copy.empty()) copy[random_.below(copy.size())] ^= 1;
    if (random_.chance(0.2)) copy.resize(random_.below(copy.size() + 40));
    if (!copy.empty() && is_relay_packet(copy[0])) to_server(any_address(), copy);
  }

  void pass(Duration time) {
    const Instant end = now_ + time;
    while (now_ < end) {
      now_ = std::min(end, now_ + milliseconds(100));
      server_.advance(now_);
      take_replies();
      for (auto& client : clients_) {
        client->leg.advance(now_);
        drain(*client);
      }
    }
  }

  Client& client(std::size_t i) { return *clients_[i]; }
  FastRandom& random() { return random_; }
  const RelayServer& server() const { return server_; }
  // Packets may be lost, and the attacker's copies may come first.
  bool hostile = true;

 private:
  static Secret secret(std::uint8_t fill) {
    Secret made;
    made.bytes.fill(fill);
    return made;
  }
  Client& any() { return *clients_[random_.below(clients_.size())]; }
  std::int64_t unix_seconds() const { return clock_.seconds_at(now_); }
  IpAddress fresh_address() {
    ++addresses_;
    return IpAddress::v4(10, static_cast<std::uint8_t>(addresses_ >> 8),
                         static_cast<std::uint8_t>(addresses_), 1, 4000);
  }
  // The attacker's own, somebody's who never asked for anything, or a client's.
  IpAddress any_address() {
    if (random_.chance(0.3)) return any().address;
    return IpAddress::v4(66, 6, 6, static_cast<std::uint8_t>(random_.below(8)), 66);
  }

  // --- what clients do ---------------------------------------------------------------------------
  void move(Client& client) { client.address = fresh_address(); }
  Ticket ticket(const Client& client, std::int64_t seconds_left, SiteKeys& keys) {
    Token token;
    random_.fill(token.id);
    token.identity = client.identity;
    token.app_id = 7;
    token.not_after = unix_seconds() + seconds_left;
    random_.fill(token.secret.bytes);
    const SealedToken sealed = keys.seal(token, random_, unix_seconds());
    return {IpAddress::v4(203, 0, 113, 1, 4040), {sealed.begin(), sealed.end()}, token.secret};
  }
  Ticket any_ticket(const Client& client) {
    if (random_.chance(0.1)) return ticket(client, 600, other_site_);
    return ticket(client, random_.chance(0.1) ? -1 : 600, keys_);
  }
  Grant grant(Client& of, const IdentityHash& to, std::int64_t seconds_left) {
    if (seconds_left >= 0) of.granted.insert(to);
    return of.leg.make_grant(to, unix_seconds() + seconds_left);
  }
  void bind(Client& client, Client& to) {
    if (to.leg.state() != Leg::State::kOpen) return;
    const std::uint64_t kind = random_.below(12);
    Grant given = kind == 0   ? grant(to, any().identity, 600)
                  : kind == 1 ? grant(to, client.identity, -5)
                              : grant(to, client.identity, 600);
    if (kind == 2) given.mac[random_.below(given.mac.size())] ^= 1;
    if (kind == 3) ++given.relay_id;
    client.leg.bind(given, now_);
    client.leg.advance(now_);
  }
  void leave(Client& client) {
    client.leg.close();
    drain(client);
  }
  // From when the relay knows it, if it does.
  void revoke(Client& client) {
    if (client.leg.state() != Leg::State::kOpen) return;
    drain(client);
    client.leg.revoke_grants();
    const std::uint64_t asked = server_.counters().asked;
    const bool was = hostile;
    hostile = false;
    drain(client);
    hostile = was;
    if (server_.counters().asked == asked + 1) client.granted.clear();
  }
  void drain(Client& client) {
    std::array<std::uint8_t, kOpenSizeMax> buffer;
    for (int i = 0; i < 8; ++i) {
      while (const std::size_t size = client.leg.poll_transmit(buffer, now_)) {
        submit(client, {buffer.begin(), buffer.begin() + static_cast<long>(size)});
      }
      take_events(client);
    }
  }
  void take_events(Client& client) {
    while (const auto event = client.leg.poll_event()) {
      if (!std::holds_alternative<LegOpened>(*event)) continue;
      client.granted.clear();
      owners_[client.leg.slot()] = client.identity;
    }
  }

  // --- what the network does ---------------------------------------------------------------------
  void submit(Client& from, Datagram datagram) {
    if (recorded_.size() < kRecordedMax) recorded_.emplace_back();
    recorded_[records_++ % recorded_.size()].bytes = datagram;
    // RFC 9000 8.2.3: whoever answers has been there, wherever the answer comes from.
    proved_.insert(from.heard_at.begin(), from.heard_at.end());
    if (hostile && random_.chance(0.1)) to_server(any_address(), datagram);
    if (hostile && random_.chance(0.1)) return;
    to_server(from.address, datagram);
  }

  void forge() {
    Datagram junk(1 + random_.below(600));
    random_.fill(junk);
    constexpr std::array kinds{Kind::kOpen, Kind::kSend, Kind::kAsk, Kind::kTell, Kind::kDeliver};
    junk[0] = static_cast<std::uint8_t>(kinds[random_.below(kinds.size())]);
    // Of a slot that there is, perhaps.
    if (junk.size() >= 8 && !owners_.empty() && random_.chance(0.7)) {
      auto owner = owners_.begin();
      std::advance(owner, static_cast<long>(random_.below(owners_.size())));
      ByteWriter(MutableBytes(junk).subspan(4)).u32(owner->first.value);
    }
    if (junk.size() > 1) junk[1] = static_cast<std::uint8_t>(random_.below(9));
    to_server(any_address(), junk);
  }

  void to_server(const IpAddress& from, Datagram datagram) {
    const std::uint64_t before = counted(server_.counters());
    received_bytes_[from] += datagram.size();
    const std::size_t size = datagram.size();
    const Datagram original = datagram;
    const auto to = server_.receive(from, datagram, now_);
    RC_ASSERT(counted(server_.counters()) == before + 1);
    if (to) {
      RC_ASSERT(datagram.size() == size);
      check_forwarded(*to, original, datagram);
      to_client(*to, datagram);
    }
    RC_ASSERT(server_.slot_count() <= config_.limits.slots_max);
    RC_ASSERT(server_.slot_count() <= clients_.size() * config_.limits.slots_per_identity_max);
    if (!hostile || !random_.chance(0.1)) take_replies();
  }

  // From a slot, by a grant of whoever is at the other end, to where that one has proved to be.
  void check_forwarded(const IpAddress& to, const Datagram& sent, const Datagram& forwarded) {
    RC_ASSERT(sent[0] == static_cast<std::uint8_t>(Kind::kSend));
    RC_ASSERT(forwarded[0] == static_cast<std::uint8_t>(Kind::kDeliver));
    RC_ASSERT(std::equal(sent.begin() + kHeaderSize, sent.end(), forwarded.begin() + kHeaderSize));
    RC_ASSERT(proved_.contains(to));
    const auto source = owners_.find(read_leg_header(forwarded)->slot);
    RC_ASSERT(source != owners_.end());
    const Client* receiver = receiver_of(forwarded);
    if (receiver != nullptr) RC_ASSERT(receiver->granted.contains(source->second));
  }

  // Whose key the packet is for. Null: a slot that its owner has left behind without telling.
  const Client* receiver_of(const Datagram& forwarded) {
    for (const auto& client : clients_) {
      Leg copy = client->leg;
      Datagram bytes = forwarded;
      if (copy.receive(bytes, now_)) return client.get();
    }
    return nullptr;
  }

  void take_replies() {
    std::array<std::uint8_t, kOpenSizeMax> buffer;
    std::size_t waited = 0;
    while (const auto reply = server_.poll_transmit(buffer)) {
      ++waited;
      std::uint64_t& sent = sent_bytes_[reply->to];
      sent += reply->size;
      if (!proved_.contains(reply->to)) RC_ASSERT(sent <= received_bytes_[reply->to]);
      to_client(reply->to, {buffer.begin(), buffer.begin() + static_cast<long>(reply->size)});
    }
    RC_ASSERT(waited <= config_.limits.replies_max);
  }

  void to_client(const IpAddress& to, Datagram datagram) {
    if (hostile && random_.chance(0.1)) return;
    for (auto& client : clients_) {
      if (client->address != to) continue;
      client->heard_at.insert(to);
      const auto got = client->leg.receive(datagram, now_);
      take_events(*client);
      if (got) client->got.emplace_back(as_text(got->payload));
    }
  }

  struct Recorded {
    Datagram bytes;
  };
  RelayConfig config_;
  Instant now_{};
  const WallClock clock_{now_, kUnixStart};
  FastRandom random_;
  SiteKeys keys_, other_site_;
  RelayServer server_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<Recorded> recorded_;         // the latest; the oldest gives way
  std::size_t records_ = 0;                // ever
  std::map<SlotId, IdentityHash> owners_;  // of all slots that clients ever had
  std::set<IpAddress> proved_;             // whoever is there has heard the relay, and said so
  std::map<IpAddress, std::uint64_t> received_bytes_, sent_bytes_;
  unsigned addresses_ = 0;
};

RelayConfig any_config() {
  RelayConfig config;
  config.always_cookie = *rc::gen::arbitrary<bool>();
  config.limits.slots_max = *rc::gen::element<std::size_t>(2, 5, 100);
  config.limits.slots_per_identity_max = *rc::gen::element<std::size_t>(1, 2, 8);
  config.limits.replies_max = *rc::gen::element<std::size_t>(4, 1024);
  config.limits.opens_without_cookie_per_second = *rc::gen::element(1u, 1000u);
  config.limits.opens_per_prefix_per_second_max = *rc::gen::element(3u, 100u);
  config.limits.packets_per_second = *rc::gen::element(200u, 100'000u);
  return config;
}

RC_GTEST_PROP(RelayProperty, NobodyIsSentWhatHeDidNotAgreeTo, (std::uint64_t seed)) {
  RelayWorld world(seed, any_config(), *rc::gen::inRange(2, 6));
  const int steps = *rc::gen::inRange(1, 1500);
  for (int i = 0; i < steps; ++i) world.act();
}

// Whatever others do, with tokens or without: only its own bucket limits a pair.
RC_GTEST_PROP(RelayProperty, APairIsNotDisturbed, (std::uint64_t seed)) {
  RelayConfig config;
  config.limits.packets_per_second = 200;
  RelayWorld world(seed, config, 4);
  world.hostile = false;
  world.introduce(world.client(0), world.client(1));
  world.introduce(world.client(2), world.client(1));
  world.introduce(world.client(3), world.client(2));
  std::vector<std::string> said;
  for (int i = 0; i < 200; ++i) {
    for (std::uint64_t n = world.random().below(40); n > 0; --n) {
      world.attack();
      world.say(world.client(3), world.client(2), "flood");
      world.say(world.client(2), world.client(1), "flood");
    }
    said.push_back(std::to_string(i));
    RC_ASSERT(world.say(world.client(0), world.client(1), said.back()));
    if (world.random().chance(0.2)) world.pass(milliseconds(200));
  }
  std::vector<std::string> got = world.client(1).got;
  std::erase(got, "flood");
  RC_ASSERT(got == said);
  RC_ASSERT(world.server().counters().dropped_rate > 0u);
}

}  // namespace
}  // namespace whimbrel::relay
