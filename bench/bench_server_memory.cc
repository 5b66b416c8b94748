// Resident memory of the server's parts, filled inside one process by clients that are no more than
// their messages.
#include <malloc.h>

#include <fstream>

#include "crypto/secure_random.h"
#include "measure.h"
#include "relay/leg.h"
#include "relay/relay_server.h"
#include "rendezvous/rendezvous_server.h"

namespace bench {
namespace {

using namespace whimbrel;

constexpr std::size_t kCount = 100'000;
constexpr UnixMillis kUnixStart = 1'800'000'000'000;

double resident_bytes() {
  malloc_trim(0);  // what was given back does not count
  std::ifstream file("/proc/self/statm");
  double pages = 0;
  file >> pages >> pages;
  return pages * static_cast<double>(sysconf(_SC_PAGESIZE));
}

// A relay, and one client after the other that opens a slot and is forgotten.
class Slots {
 public:
  Slots() : keys_(master()) {
    relay::RelayConfig config;
    config.limits.slots_max = kCount + 1;
    config.limits.opens_per_second_max = config.limits.opens_per_prefix_per_second_max =
        config.limits.opens_without_cookie_per_second = 1u << 30;
    server_ = std::make_unique<relay::RelayServer>(config, keys_, random_, now_, clock_);
  }

  void open(std::size_t number) {
    relay::Token token;
    ByteWriter(token.identity).u64(number);
    token.not_after = kUnixStart / 1000 + 600;
    random_.fill(token.secret.bytes);
    const relay::SealedToken sealed = keys_.seal(token, random_, kUnixStart / 1000);
    relay::Leg leg(random_);
    leg.open({IpAddress{}, {sealed.begin(), sealed.end()}, token.secret}, now_);
    const IpAddress from =
        IpAddress::v4(10, static_cast<std::uint8_t>(number >> 16),
                      static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number), 1);
    for (int i = 0; i < 3; ++i) exchange(leg, from);
  }
  std::size_t count() const { return server_->slot_count(); }

 private:
  static Secret master() {
    Secret secret;
    secret.bytes.fill(1);  // a test key
    return secret;
  }
  void exchange(relay::Leg& leg, const IpAddress& from) {
    std::array<std::uint8_t, relay::kOpenSizeMax> buffer;
    leg.advance(now_);
    while (const std::size_t size = leg.poll_transmit(buffer, now_))
      server_->receive(from, MutableBytes(buffer).first(size), now_);
    while (const auto reply = server_->poll_transmit(buffer))
      leg.receive(MutableBytes(buffer).first(reply->size), now_);
  }

  Instant now_{};
  const WallClock clock_{now_, kUnixStart};
  FastRandom random_{1};
  relay::SiteKeys keys_;
  std::unique_ptr<relay::RelayServer> server_;
};

class Users {
 public:
  Users()
      : authority_(config(), SigningKey::generate(random_), registry_),
        server_(limits(), authority_, nullptr, now_, clock_) {}

  void log_in(std::size_t number) {
    PublicKey key;
    random_.fill(key.bytes);
    rendezvous::Login login;
    login.token = "str:player" + std::to_string(number);
    server_.on_connected(rendezvous::ClientId{number}, key, {}, now_);
    server_.on_message(rendezvous::ClientId{number}, encode(rendezvous::ClientMessage(login)),
                       now_);
    while (server_.poll_output()) continue;
  }
  std::size_t count() const { return server_.user_count(); }

 private:
  // A backend says who is who, so that names are nowhere but with users.
  static rendezvous::AuthorityConfig config() {
    rendezvous::AuthorityConfig config;
    config.mode = rendezvous::AuthorityConfig::Mode::kToken;
    config.check_token = [](const std::string& token, std::int64_t) {
      return rendezvous::BackendClaim{token, {}, {}};
    };
    return config;
  }
  static rendezvous::RendezvousLimits limits() {
    rendezvous::RendezvousLimits limits;
    limits.clients_max = kCount + 1;
    return limits;
  }

  Instant now_{};
  const WallClock clock_{now_, kUnixStart};
  FastRandom random_{1};
  rendezvous::MemoryRegistry registry_;
  rendezvous::Authority authority_;
  rendezvous::RendezvousServer server_;
};

// What each of kCount more costs, once the first has made what all need.
template <typename Filled, typename Add>
void fill(const Add& add) {
  Filled filled;
  add(filled, 0);
  const double before = resident_bytes(), begin = now_s();
  for (std::size_t i = 1; i <= kCount; ++i) add(filled, i);
  const double seconds = now_s() - begin;
  if (filled.count() != kCount + 1) fail("not all came in");
  print_result(
      {{"bytes", (resident_bytes() - before) / kCount}, {"count", kCount}, {"seconds", seconds}});
}

void fill_slots(const Arguments&) {
  fill<Slots>([](Slots& slots, std::size_t i) { slots.open(i); });
}
void fill_users(const Arguments&) {
  fill<Users>([](Users& users, std::size_t i) { users.log_in(i); });
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  return run_part(start(argc, argv), fill_slots, {{"user_memory", fill_users}}, fill_slots);
}
