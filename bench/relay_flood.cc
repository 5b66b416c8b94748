// What users of a server notice while its port is flooded with first packets of sessions: a pair
// that plays ping-pong through the relay, and others who log in meanwhile.
#include <atomic>
#include <deque>
#include <functional>
#include <thread>

#include "control_client.h"
#include "handshake/handshake.h"
#include "handshake/packets.h"
#include "io/key_files.h"
#include "ping_pong.h"
#include "relay_rows.h"
#include "spoofer.h"

namespace bench {
namespace {

using namespace whimbrel;

constexpr double kPerSecond = 2500;  // of the floods that are not as fast as they can be
constexpr long kBetweenPingsNs = 200'000;
constexpr long kBetweenLoginsNs = 10'000'000;
constexpr double kLoginPatience = 5;
constexpr std::size_t kForgedMax = 4096;

// First packets under keys of their own, made before: that takes longer than to send them.
class Forged {
 public:
  Forged(const Arguments& arguments, std::size_t count) : random_(system_random_seed()) {
    const auto secret = read_secret_key(arguments.state + "/server.key");
    if (!secret) fail(secret.error().c_str());
    const PublicKey server = x25519_public(*secret);
    configs_.resize(count);
    for (HandshakeConfig& config : configs_) {
      config.static_key = generate_x25519(random_);
      Initiator& initiator = initiators_.emplace_back(config, server);
      std::vector<std::uint8_t>& packet = packets_.emplace_back(kHandshakePacketSizeMax);
      const auto index = static_cast<std::uint32_t>(packets_.size());  // not 0
      packet.resize(initiator.write_init(index, unix_now(), random_, packet));
    }
  }
  std::size_t size() const { return packets_.size(); }
  Bytes operator[](std::size_t i) const { return packets_[i]; }
  // The packet that a cookie is for, with it. Empty: it is none.
  Bytes with_cookie(Bytes reply) {
    const auto index = handshake_receiver_index(reply);
    if (!index || *index == 0 || *index > packets_.size()) return {};
    std::vector<std::uint8_t>& packet = packets_[*index - 1];
    const bool done =
        initiators_[*index - 1].read_cookie_reply(reply, packet) == HandshakeError::kNone;
    return done ? Bytes(packet) : Bytes();
  }

 private:
  SecureRandom random_;
  std::deque<HandshakeConfig> configs_;
  std::deque<Initiator> initiators_;
  std::deque<std::vector<std::uint8_t>> packets_;
};

struct Seen {
  std::vector<double> pings, logins;
  std::size_t failed = 0;
};

// New users, one after the other.
void log_in(const Arguments& arguments, const std::atomic<bool>& done, Seen& seen) {
  static std::atomic<int> number{0};
  const Clock clock;
  while (!done) {
    ControlClient user(clock, "str:user" + std::to_string(++number), arguments.port);
    const double begin = now_s();
    user.log_in();
    while (!user.online() && now_s() < begin + kLoginPatience) user.wait(10);
    if (user.online()) {
      seen.logins.push_back(now_s() - begin);
    } else {
      ++seen.failed;
    }
    const timespec pause = {0, kBetweenLoginsNs};
    nanosleep(&pause, nullptr);
  }
}

using Flood = std::function<void(const std::atomic<bool>& done)>;

Seen look(const Arguments& arguments, const EndPair& pair, const Flood& flood) {
  Seen seen;
  std::atomic<bool> done{false};
  std::thread attacker([&] { flood(done); });
  std::thread users([&] { log_in(arguments, done, seen); });
  {
    PingPong through_relay(pair);
    for (const double end = now_s() + arguments.seconds; now_s() < end;) {
      through_relay.ping(seen.pings);
      const timespec pause = {0, kBetweenPingsNs};
      nanosleep(&pause, nullptr);
    }
  }
  done = true;
  users.join();
  attacker.join();
  std::sort(seen.pings.begin(), seen.pings.end());
  std::sort(seen.logins.begin(), seen.logins.end());
  return seen;
}

// Each from another network. `per_second` 0: as fast as it goes.
void spoof(const Arguments& arguments, Forged& forged, double per_second, std::size_t* sent,
           const std::atomic<bool>& done) {
  Spoofer spoofer(arguments.port);
  const double begin = now_s();
  std::size_t count = 0;
  while (!done) {
    if (per_second > 0 && static_cast<double>(count) > (now_s() - begin) * per_second) {
      const timespec pause = {0, 100'000};
      nanosleep(&pause, nullptr);
      continue;
    }
    spoofer.add(count % kSources, forged[count % forged.size()]);
    if (per_second > 0) spoofer.flush();
    ++count;
  }
  spoofer.flush();
  if (sent != nullptr) *sent = count;
}

// From one address that is its own, and shows it; what the server answers then is not read.
void show(const Arguments& arguments, Forged& forged, const std::atomic<bool>& done) {
  const int fd = new_socket(1000);
  const sockaddr_in own = lone_address(5000), to = loopback(arguments.port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0 ||
      connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
    fail("no port");
  std::array<std::uint8_t, 2048> reply;
  const double begin = now_s();
  for (std::size_t count = 0; !done;) {
    ssize_t size = 0;
    while ((size = recv(fd, reply.data(), reply.size(), MSG_DONTWAIT)) > 0) {
      const Bytes again = forged.with_cookie(Bytes(reply).first(static_cast<std::size_t>(size)));
      if (!again.empty()) send(fd, again.data(), again.size(), 0);
    }
    if (static_cast<double>(count) > (now_s() - begin) * kPerSecond) {
      const timespec pause = {0, 100'000};
      nanosleep(&pause, nullptr);
      continue;
    }
    const Bytes first = forged[count++ % forged.size()];
    send(fd, first.data(), first.size(), 0);
  }
  close(fd);
}

}  // namespace

void measure_flood(const Arguments& arguments) {
  std::vector<EndPair> pairs = make_pairs(1, arguments);
  Forged first(arguments, kForgedMax), second(arguments, kForgedMax), third(arguments, kForgedMax);
  std::size_t sent = 0;
  const Seen quiet = look(arguments, pairs[0], [](const std::atomic<bool>&) {});
  const Seen spoofed = look(arguments, pairs[0], [&](const std::atomic<bool>& done) {
    spoof(arguments, first, kPerSecond, nullptr, done);
  });
  const Seen shown = look(arguments, pairs[0],
                          [&](const std::atomic<bool>& done) { show(arguments, second, done); });
  const Seen full = look(arguments, pairs[0], [&](const std::atomic<bool>& done) {
    spoof(arguments, third, 0, &sent, done);
  });
  const auto added = [&](const Seen& seen) {
    return (at_share(seen.pings, 0.99) - at_share(quiet.pings, 0.99)) * 1e3;
  };
  const auto p99 = [](const Seen& seen) { return at_share(seen.logins, 0.99) * 1e3; };
  print_result({{"quiet_rtt_p50_us", at_share(quiet.pings, 0.5) * 1e6},
                {"quiet_rtt_p99_us", at_share(quiet.pings, 0.99) * 1e6},
                {"spoofed_added_p99_ms", added(spoofed)},
                {"shown_added_p99_ms", added(shown)},
                {"full_added_p99_ms", added(full)},
                {"quiet_login_p99_ms", p99(quiet)},
                {"spoofed_login_p99_ms", p99(spoofed)},
                {"shown_login_p99_ms", p99(shown)},
                {"full_login_p99_ms", p99(full)},
                {"full_per_s", static_cast<double>(sent) / arguments.seconds},
                {"logins", static_cast<double>(quiet.logins.size() + spoofed.logins.size() +
                                               shown.logins.size() + full.logins.size())},
                {"logins_failed",
                 static_cast<double>(quiet.failed + spoofed.failed + shown.failed + full.failed)}});
}

}  // namespace bench
