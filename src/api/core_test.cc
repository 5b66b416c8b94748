#include "api/core.h"

#include <gtest/gtest.h>
#include <whimbrel/send_flags.h>

#include <array>
#include <atomic>

#include "handshake/certificate.h"
#include "io/system_random.h"

namespace whimbrel {
namespace {

// What the machine's clock is wrong by.
std::atomic<UnixMillis> g_ahead{0};
UnixMillis machine_clock() { return unix_now() + g_ahead; }

// Two cores over loopback that want certificates of each other; the clock of the first one's
// machine is the test's.
class CoreClock : public testing::Test {
 protected:
  struct End {
    Identity name;
    Clock clock;
    Poller poller{clock};
    std::unique_ptr<Core> core;

    void turn() {
      core->receive(poller.wait(clock.now() + milliseconds(2)));
      core->advance(clock.now());
      core->transmit(clock.now());
      while (auto event = core->endpoint().poll_event()) {
        if (const auto* request = std::get_if<SessionRequestEvent>(&*event))
          core->endpoint().accept(request->identity, clock.now());
      }
    }
    ConnectionState state(const End& other, ConnectionInfo* info = nullptr) const {
      return core->endpoint().connection_info(other.name, clock.now(), info, nullptr);
    }
  };

  void make(End& end, const char* name, WallClockSource wall_clock) {
    end.name = *Identity::parse(name);
    EndpointConfig config;
    config.identity = end.name;
    config.keys = generate_x25519(random);
    config.trust.add_authority(authority.verify_key());
    config.require_certificate = true;
    Certificate certificate;
    certificate.not_before = unix_now() / 1000 - 60;
    certificate.not_after = unix_now() / 1000 + 3600;
    certificate.static_key = config.keys.public_key;
    certificate.identity = name;
    config.certificate = sign_certificate(certificate, authority);
    Core::Sockets sockets;
    sockets.push_back(std::move(*UdpSocket::bind(IpAddress::v4(127, 0, 0, 1, 0), {})));
    end.core = std::make_unique<Core>(std::move(config), std::nullopt, nullptr, std::move(sockets),
                                      end.poller, end.clock, system_random_seed(), wall_clock);
  }
  void say() {
    alice.core->endpoint().send(bob.name, SharedBytes::copy(as_bytes("hi")),
                                kSendReliable | kSendAutoRestartBrokenSession, 0,
                                alice.clock.now());
  }
  template <typename Done>
  bool run(const Done& done) {
    const Instant end = alice.clock.now() + seconds(20);
    while (!done()) {
      if (alice.clock.now() >= end) return false;
      alice.turn();
      bob.turn();
    }
    return true;
  }

  SecureRandom random{system_random_seed()};
  SigningKey authority = SigningKey::generate(random);
  End alice, bob;
};

TEST_F(CoreClock, TheSystemsClockIsFollowedWhileItRuns) {
  g_ahead = -unix_now();
  make(alice, "str:alice", machine_clock);
  make(bob, "str:bob", unix_now);
  alice.core->endpoint().set_route(bob.name, IpAddress::v4(127, 0, 0, 1, bob.core->port(true)),
                                   std::nullopt);
  say();
  ASSERT_TRUE(run([&] { return alice.state(bob) == ConnectionState::kProblemDetectedLocally; }));
  ConnectionInfo info;
  alice.state(bob, &info);
  EXPECT_EQ(info.end_reason, kEndRemoteBadCert);
  g_ahead = 0;
  EXPECT_TRUE(run([&] {
    if (alice.state(bob) == ConnectionState::kProblemDetectedLocally) say();
    return alice.state(bob) == ConnectionState::kConnected;
  }));
}

}  // namespace
}  // namespace whimbrel
