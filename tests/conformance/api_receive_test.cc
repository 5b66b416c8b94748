// The contract of the calls, one case for each row: receiving, and what is told of a session.
#include "tests/simulation/duo.h"

namespace whimbrel::sim {
namespace {

struct Reader : Duo {
  explicit Reader(const SessionOptions& b_options = {}) : Duo(Keys::kKnown, line(), {}, b_options) {
    a.checked = b.checked = false;
    b.reading = Reading::kByHand;
  }
  void settle() { world.run_for(milliseconds(300)); }
};

TEST(ApiReceive, OneQueuePerChannelFirstInFirstOutOverAllUsers) {
  Reader duo;
  Host& c = duo.world.add("str:carol");
  c.knows(duo.b, true);
  c.checked = false;
  ASSERT_TRUE(duo.connect());
  c.send(duo.b.identity(), "hello");
  duo.settle();
  duo.b.receive_all();
  for (int i = 0; i < 3; ++i) {
    duo.a.send(duo.b.identity(), "a" + std::to_string(i));
    duo.world.run_for(milliseconds(30));
    c.send(duo.b.identity(), "c" + std::to_string(i));
    duo.world.run_for(milliseconds(30));
  }
  std::string order;
  for (const InboxMessage& message : duo.b.receive(0)) order += message.text();
  EXPECT_EQ(order, "a0c0a1c1a2c2");
}

TEST(ApiReceive, AtMostAsManyAsAskedFor) {
  Reader duo;
  for (int i = 0; i < 5; ++i) duo.a.send(duo.b.identity(), std::to_string(i));
  duo.settle();
  EXPECT_EQ(duo.b.receive(0, 2).size(), 2u);
  EXPECT_EQ(duo.b.receive(0, 100).size(), 3u);
  EXPECT_EQ(duo.b.receive(0, 100).size(), 0u);
  EXPECT_EQ(duo.b.receive(1, 100).size(), 0u);
}

TEST(ApiReceive, MessagesTellTheirSenderChannelAndKind) {
  Reader duo;
  ASSERT_TRUE(duo.connect());
  duo.b.receive_all();
  duo.a.send(duo.b.identity(), "x", kSendUnreliable, -7);
  const Instant sent = duo.world.now();
  duo.settle();
  const auto messages = duo.b.receive(-7);
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].from, duo.a.identity());
  EXPECT_EQ(messages[0].message.channel, -7);
  EXPECT_FALSE(messages[0].message.reliable);
  EXPECT_EQ(messages[0].message.received, sent + milliseconds(10));
}

TEST(ApiReceive, ReliableDataOverTheByteLimitIsHeldBackAtTheSender) {
  Reader duo;
  const std::string text(50'000, 'x');
  int taken = 0;
  duo.world.run_until(
      [&] {
        while (duo.a.send(duo.b.identity(), text) == Result::kOk) ++taken;
        return false;
      },
      seconds(5));
  EXPECT_LE(duo.b.unread_bytes(), std::uint64_t{1} << 20);
  EXPECT_GE(duo.b.unread_bytes(), std::uint64_t{500'000});
  EXPECT_LT(taken, 40);
  EXPECT_EQ(duo.world.violations(), "");
}

TEST(ApiReceive, ReliableDataOverTheMessageLimitIsHeldBackAtTheSender) {
  SessionOptions few;
  few.receive_messages_max = 50;
  Reader duo(few);
  for (int i = 0; i < 200; ++i) duo.a.send(duo.b.identity(), "x");
  duo.settle();
  EXPECT_LE(duo.b.unread(), 50u);
  // Three quarters of the 32 that are promised: the rest is for other channels.
  EXPECT_EQ(duo.b.unread(), 24u);
  std::size_t received = 0;
  for (int i = 0; i < 30; ++i) {
    received += duo.b.receive(0).size();
    duo.world.run_for(milliseconds(50));
  }
  EXPECT_EQ(received, 200u);
  EXPECT_EQ(duo.world.violations(), "");
}

// An older version of the program, say, does not know channels 7 to 9.
TEST(ApiReceive, ChannelsThatAreNotReadStopNoOther) {
  Reader duo;
  std::size_t sent = 0, received = 0;
  for (int tick = 0; tick < 800; ++tick) {
    for (int i = 0; i < 5; ++i) duo.a.send(duo.b.identity(), "telemetry", kSendReliable, 7 + i % 3);
    sent += duo.a.send(duo.b.identity(), "chat", kSendReliable, 0) == Result::kOk;
    duo.world.run_for(milliseconds(10));
    received += duo.b.receive(0).size();
  }
  duo.settle();
  received += duo.b.receive(0).size();
  EXPECT_EQ(sent, 800u);
  EXPECT_EQ(received, 800u);
  EXPECT_EQ(duo.world.violations(), "");
}

// Voice that nobody plays must not silence the positions of everybody.
TEST(ApiReceive, UnreliableMessagesThatAreNotReadStopNoOther) {
  for (const std::size_t size : {std::size_t{10}, std::size_t{1000}, std::size_t{15'000}}) {
    Reader duo;
    ASSERT_TRUE(duo.connect());
    const std::string voice(size, 'v');
    std::size_t received = 0;
    for (int tick = 0; tick < 800; ++tick) {
      for (int channel = 7; channel < 10; ++channel)
        duo.a.send(duo.b.identity(), voice, kSendUnreliable, channel);
      duo.a.send(duo.b.identity(), "position", kSendUnreliable, 0);
      duo.world.run_for(milliseconds(10));
      received += duo.b.receive(0).size();
    }
    duo.settle();
    received += duo.b.receive(0).size();
    EXPECT_EQ(received, 801u) << size;  // and the one of connect()
    EXPECT_GE(duo.b.receive(7).size(), size < 15'000 ? 30u : 1u) << size;
    EXPECT_EQ(duo.world.violations(), "");
  }
}

TEST(ApiReceive, UnreliableDataOverTheLimitIsDroppedAndCounted) {
  SessionOptions few;
  few.receive_messages_max = 50;
  Reader duo(few);
  ASSERT_TRUE(duo.connect());
  duo.b.receive_all();
  for (int i = 0; i < 200; ++i) duo.a.send(duo.b.identity(), "x", kSendUnreliable);
  duo.settle();
  EXPECT_LE(duo.b.unread(), 50u);
  EXPECT_GE(duo.b.count(Count::kUnreliableDroppedReceiveLimit), 150u);
  EXPECT_EQ(duo.world.violations(), "");
}

TEST(ApiReceive, OneMessageLimitHoldsForBothKindsTogether) {
  SessionOptions few;
  few.receive_messages_max = 50;
  Reader duo(few);
  ASSERT_TRUE(duo.connect());
  duo.b.receive_all();
  for (int i = 0; i < 100; ++i) {
    duo.a.send(duo.b.identity(), "x", kSendUnreliable);
    duo.a.send(duo.b.identity(), "x");
  }
  duo.settle();
  EXPECT_LE(duo.b.unread(), 50u);
  std::size_t received = 0, unreliable = 0;
  for (int i = 0; i < 30; ++i) {
    for (const auto& message : duo.b.receive(0)) {
      received += message.message.reliable;
      unreliable += !message.message.reliable;
    }
    duo.world.run_for(milliseconds(50));
  }
  EXPECT_EQ(received, 100u);
  EXPECT_GE(unreliable, 18u) << "starved: three quarters of what is theirs";
  EXPECT_EQ(duo.world.violations(), "");
}

TEST(ApiReceive, MessagesOutliveTheSession) {
  Reader duo;
  duo.a.send(duo.b.identity(), "kept");
  duo.settle();
  duo.a.close_session(duo.b);
  duo.world.run_for(seconds(10));
  const auto messages = duo.b.receive(0);
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].text(), "kept");
}

// --- connection info -----------------------------------------------------------------------------

TEST(ApiInfo, NothingIsKnownOfAStranger) {
  Reader duo;
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kNone);
  EXPECT_EQ(duo.a.status(duo.b).ping, -1);
  EXPECT_LT(duo.a.status(duo.b).local_quality, 0);
}

TEST(ApiInfo, StatesFollowTheSession) {
  Reader duo;
  duo.b.on_request = OnRequest::kIgnore;
  duo.a.send(duo.b.identity(), "hello");
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kConnecting);
  duo.settle();
  EXPECT_EQ(duo.b.state(duo.a), ConnectionState::kConnecting) << "a request waits";
  duo.b.accept(duo.a);
  duo.world.run_for(seconds(2));
  EXPECT_EQ(duo.a.state(duo.b), ConnectionState::kConnected);
  EXPECT_EQ(duo.b.state(duo.a), ConnectionState::kConnected);
}

TEST(ApiInfo, DescriptionNamesTheWay) {
  Reader duo;
  ASSERT_TRUE(duo.connect());
  const ConnectionInfo info = duo.a.info(duo.b);
  EXPECT_EQ(info.remote_address, duo.b.address().text());
  EXPECT_NE(info.debug_description.find("str:bob"), std::string::npos);
  EXPECT_NE(info.debug_description.find("direct " + duo.b.address().text()), std::string::npos);
  EXPECT_NE(info.debug_description.find("ms"), std::string::npos);
  EXPECT_TRUE(info.flags & kInfoUnauthenticated) << "no authority vouches for the name";
  EXPECT_FALSE(info.flags & kInfoUnencrypted);
  EXPECT_EQ(info.remote_pop, 0u);
  EXPECT_EQ(info.pop_relay, 0u);
}

TEST(ApiInfo, PingIsTheRoundTrip) {
  Reader duo;
  ASSERT_TRUE(duo.connect());
  for (int i = 0; i < 20; ++i) {
    duo.a.send(duo.b.identity(), "x");
    duo.b.receive_all();
    duo.world.run_for(milliseconds(50));
  }
  EXPECT_GE(duo.a.status(duo.b).ping, 19);
  EXPECT_LE(duo.a.status(duo.b).ping, 30);
}

TEST(ApiInfo, QualityIsTheShareOfPacketsThatArrive) {
  Reader duo;
  ASSERT_TRUE(duo.connect());
  duo.simulation().uplink(duo.a.id()).config().loss = 0.2;
  for (int i = 0; i < 600; ++i) {
    duo.a.send(duo.b.identity(), "x", kSendUnreliable | kSendNoNagle);
    duo.b.send(duo.a.identity(), "x", kSendUnreliable | kSendNoNagle);
    duo.b.receive_all();
    duo.world.run_for(milliseconds(20));
  }
  EXPECT_NEAR(duo.b.status(duo.a).local_quality, 0.8, 0.08);
  EXPECT_NEAR(duo.a.status(duo.b).remote_quality, 0.8, 0.1);
  EXPECT_NEAR(duo.a.status(duo.b).local_quality, 1, 0.02);
}

TEST(ApiInfo, RatesAreMeasured) {
  Reader duo;
  ASSERT_TRUE(duo.connect());
  duo.b.reading = Reading::kAtOnce;
  const std::string text(1000, 'x');
  for (int i = 0; i < 400; ++i) {
    duo.a.send(duo.b.identity(), text, kSendUnreliable | kSendNoNagle);
    duo.world.run_for(milliseconds(10));
  }
  EXPECT_NEAR(duo.a.status(duo.b).packets_out_per_second, 100, 15);
  EXPECT_NEAR(duo.a.status(duo.b).bytes_out_per_second, 103'000, 15'000);
  EXPECT_NEAR(duo.b.status(duo.a).packets_in_per_second, 100, 15);
  EXPECT_NEAR(duo.b.status(duo.a).bytes_in_per_second, 103'000, 15'000);
  EXPECT_GT(duo.a.status(duo.b).send_rate, 0);
}

TEST(ApiInfo, PendingAndUnacknowledgedBytes) {
  Reader duo;
  ASSERT_TRUE(duo.connect());
  duo.b.reading = Reading::kAtOnce;
  duo.world.set_lines({.rate = 50'000, .delay = milliseconds(5)});
  for (int i = 0; i < 10; ++i) duo.a.send(duo.b.identity(), std::string(20'000, 'x'));
  duo.world.run_for(milliseconds(300));
  const ConnectionStatus status = duo.a.status(duo.b);
  EXPECT_GT(status.pending_reliable, 0);
  EXPECT_GT(status.sent_unacknowledged_reliable, 0);
  EXPECT_LE(status.pending_reliable + status.sent_unacknowledged_reliable, 200'100);
  EXPECT_GT(status.queue_time_us, 0);
  duo.world.run_for(seconds(20));
  EXPECT_EQ(duo.a.status(duo.b).pending_reliable, 0);
  EXPECT_EQ(duo.a.status(duo.b).sent_unacknowledged_reliable, 0);
  EXPECT_EQ(duo.a.status(duo.b).queue_time_us, 0);
}

// --- certificates --------------------------------------------------------------------------------

struct Certified {
  Certified() {
    FastRandom random(77);
    authority = SigningKey::generate(random);
  }
  HostConfig config(World& world, std::string_view name, bool required, UnixMillis not_after) {
    HostConfig config;
    FastRandom random(world.simulation().random().u64());
    config.keys = generate_x25519(random);
    config.authorities.push_back(authority.verify_key());
    config.require_certificate = required;
    Certificate certificate;
    certificate.not_before = kUnixStart / 1000 - 1000;
    certificate.not_after = not_after / 1000;
    certificate.static_key = config.keys.public_key;
    certificate.identity = name;
    if (not_after != 0) config.certificate = sign_certificate(certificate, authority);
    return config;
  }
  SigningKey authority;
};

TEST(ApiCertificate, PeersWithOneAreAuthenticated) {
  Certified certified;
  World world(1);
  Host& a =
      world.add("str:alice", certified.config(world, "str:alice", true, kUnixStart + 3'600'000));
  Host& b = world.add("str:bob", certified.config(world, "str:bob", true, kUnixStart + 3'600'000));
  world.introduce(a, b, false);
  a.say(b);
  ASSERT_TRUE(world.run_until_complete(seconds(1)));
  EXPECT_FALSE(a.info(b).flags & kInfoUnauthenticated);
  EXPECT_FALSE(b.info(a).flags & kInfoUnauthenticated);
}

TEST(ApiCertificate, MissingOrExpiredOnesAreRefusedWhereTheyAreRequired) {
  for (const UnixMillis not_after : {UnixMillis{0}, kUnixStart - 1000}) {
    for (const bool with_key : {true, false}) {
      Certified certified;
      World world(1);
      Host& a = world.add("str:alice", certified.config(world, "str:alice", false, not_after));
      Host& b =
          world.add("str:bob", certified.config(world, "str:bob", true, kUnixStart + 3'600'000));
      a.knows(b, with_key);
      a.say(b);
      world.run_for(seconds(15));
      EXPECT_TRUE(b.requests().empty());
      EXPECT_EQ(b.messages_received(), 0u);
      ASSERT_EQ(a.failures().size(), 1u);
      EXPECT_EQ(a.failures()[0].info.end_reason, kEndRemoteBadCert);
    }
  }
}

}  // namespace
}  // namespace whimbrel::sim
