// A server's sessions that strangers began and have not confirmed: their places go to others, and
// nobody is told.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "endpoint/endpoint_pair.h"

namespace whimbrel {
namespace {

class Unconfirmed : public EndpointPair {
 protected:
  Unconfirmed() {
    EndpointConfig config;
    config.identity = b.name();
    config.keys = generate_x25519(b.random);
    config.names_by_key = true;
    config.limits.unconfirmed_max = 8;
    config.limits.sessions_max = 2;
    config.limits.leaving_max = 3;
    b.endpoint = std::make_unique<Endpoint>(std::move(config), b.random, now, kTestClock);
    b.accept_all = true;
    a.endpoint->set_route(b.name(), b.address, b.endpoint->public_key());
  }
};

// The caller repeats its first message for as long as it waits: it is the same one, and no replay.
TEST_F(Unconfirmed, WhoseAnswersWereLostForLongComesInAllTheSame) {
  drop = [this](const Host& host) { return &host == &b && now < Instant() + seconds(6); };
  send(a, b.name(), "hello");
  run_for(seconds(9));
  EXPECT_TRUE(a.failures.empty());
  ASSERT_EQ(b.got.size(), 1u);
}

TEST_F(Unconfirmed, AFirstMessageThatIsPlayedBackReplacesNobody) {
  std::vector<std::uint8_t> init(65536);
  send(a, b.name(), "hello");
  const auto out = a.endpoint->poll_transmit(init, now);
  init.resize(out->size);
  run_for(seconds(7));
  ASSERT_EQ(b.got.size(), 1u) << "by a repetition";
  b.endpoint->receive(a.address, init, now);
  run_for(seconds(7));
  send(a, b.name(), "again");
  run_for(seconds(1));
  EXPECT_EQ(b.got.size(), 2u);
  EXPECT_TRUE(a.failures.empty());
}

// Who is sent away and hears nothing of it leaves a session for a while; so many of them take
// nobody's place, and no more memory than a few do.
TEST_F(Unconfirmed, SessionsOnTheirWayOutTakeNoPlaces) {
  for (std::uint8_t i = 0; i < 10; ++i) {
    drop = nullptr;
    std::destroy_at(&a);
    std::construct_at(&a, "str:alice" + std::to_string(i), static_cast<std::uint8_t>(10 + i),
                      100u + i);
    a.endpoint->set_route(b.name(), b.address, b.endpoint->public_key());
    send(a, b.name(), "hello");
    run_for(milliseconds(500));
    ASSERT_EQ(b.got.size(), i + 1u);
    drop = [this](const Host& host) { return &host == &b; };
    send(b, b.requests.back(), "you are late");
    b.endpoint->close_session(b.requests.back(), now);
    run_for(milliseconds(10));
    EXPECT_LE(b.endpoint->session_count(), 4u);
  }
  EXPECT_EQ(b.endpoint->counters()[Count::kDroppedSessionLimit], 0u);
}

}  // namespace
}  // namespace whimbrel
