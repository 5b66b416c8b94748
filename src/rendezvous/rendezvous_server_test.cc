#include "rendezvous/rendezvous_server.h"

#include "handshake/revocations.h"
#include "rendezvous/test_rendezvous.h"

namespace whimbrel::rendezvous {
namespace {

using Rendezvous = TestRendezvous;

CertificateStatus status_of(const std::vector<std::uint8_t>& encoded, const VerifyKey& authority,
                            const std::string& identity, const PublicKey& key, std::int64_t unix_s,
                            std::uint32_t app_id = 7) {
  TrustStore trust;
  trust.add_authority(authority);
  return trust.verify(encoded, {app_id, identity, key}, unix_s * 1000);
}

TEST_F(Rendezvous, LoginGivesACertificateThatPeersBelieve) {
  User& alice = logged_in("str:alice");
  const auto online = alice.all<OnlineEvent>();
  ASSERT_EQ(online.size(), 1u);
  EXPECT_EQ(online[0].identity, name("str:alice"));
  EXPECT_EQ(status_of(online[0].certificate, online[0].authority, "str:alice",
                      alice.keys.public_key, clock.seconds_at(now)),
            CertificateStatus::kValid);
  EXPECT_EQ(status_of(online[0].certificate, online[0].authority, "str:bob", alice.keys.public_key,
                      clock.seconds_at(now)),
            CertificateStatus::kWrongIdentity);
}

TEST_F(Rendezvous, FindsWhoIsHere) {
  User& alice = logged_in("str:alice");
  User& bob = logged_in("str:bob");
  alice.client.lookup(name("str:bob"), now);
  alice.client.lookup(name("str:carol"), now);
  run();
  const auto found = alice.all<FoundEvent>();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_TRUE(found[0].online);
  EXPECT_EQ(decode_certificate(found[0].certificate)->static_key, bob.keys.public_key);
  EXPECT_FALSE(found[1].online);
}

TEST_F(Rendezvous, CarriesSignalsUnderTheirSendersName) {
  User& alice = logged_in("str:alice");
  User& bob = logged_in("str:bob");
  alice.client.signal(name("str:bob"), {1, 2, 3});
  alice.client.signal(name("str:carol"), {4});
  run();
  const auto signals = bob.all<SignalEvent>();
  ASSERT_EQ(signals.size(), 1u);
  EXPECT_EQ(signals[0].from, name("str:alice"));
  EXPECT_EQ(signals[0].body, (std::vector<std::uint8_t>{1, 2, 3}));
  ASSERT_EQ(alice.all<UndeliveredEvent>().size(), 1u);
  EXPECT_EQ(alice.all<UndeliveredEvent>()[0].to, name("str:carol"));
}

TEST_F(Rendezvous, ANameIsTheFirstKeysThatClaimsIt) {
  User& alice = logged_in("str:alice");
  disconnect(alice);
  User& eve = add("str:alice");
  connect(eve);
  EXPECT_EQ(eve.client.state(), Client::State::kRefused);
  ASSERT_EQ(eve.all<LoginRefusedEvent>().size(), 1u);
  EXPECT_EQ(eve.all<LoginRefusedEvent>()[0].code, RefusalCode::kNameTaken);
  EXPECT_TRUE(eve.closed_by_server);
  connect(alice);
  EXPECT_TRUE(alice.online());
}

TEST_F(Rendezvous, NamesOfAddressesAndNumbersCannotBeClaimed) {
  for (const char* wanted : {"ip:1.2.3.4:5", "steamid:76561197960287930", "", "nonsense:x"}) {
    User& user = add(wanted);
    connect(user);
    ASSERT_EQ(user.all<LoginRefusedEvent>().size(), 1u) << wanted;
    EXPECT_EQ(user.all<LoginRefusedEvent>()[0].code, RefusalCode::kBadIdentity);
  }
}

TEST_F(Rendezvous, AppsDoNotMeet) {
  User& alice = logged_in("str:alice", 1);
  User& other_bob = logged_in("str:bob", 7);
  alice.client.lookup(name("str:bob"), now);
  alice.client.signal(name("str:bob"), {1});
  run();
  EXPECT_FALSE(alice.all<FoundEvent>().at(0).online);
  EXPECT_TRUE(other_bob.all<SignalEvent>().empty());
  logged_in("str:bob", 1);
}

TEST_F(Rendezvous, NobodyDoesAnythingBeforeLogin) {
  logged_in("str:bob");
  User& eve = add("str:eve");
  eve.id = ClientId{next_id++};
  server->on_connected(eve.id, eve.keys.public_key, {}, now);
  for (const ClientMessage& message :
       {ClientMessage(Lookup{1, "str:bob"}), ClientMessage(Signal{2, "str:bob", {1}}),
        ClientMessage(WantRelayTicket{3}), ClientMessage(Watch{"str:bob", true}),
        ClientMessage(Renew{}), ClientMessage(Ping{1})}) {
    server->on_message(eve.id, encode(message), now);
    const auto output = server->poll_output();
    ASSERT_TRUE(output.has_value());
    const auto answer = decode_server_message(output->message);
    EXPECT_EQ(std::get<Refused>(*answer).code, RefusalCode::kNotLoggedIn);
    EXPECT_FALSE(server->poll_output().has_value());
  }
}

TEST_F(Rendezvous, WhoNeverLogsInIsSentAway) {
  User& eve = add("str:eve");
  eve.id = ClientId{next_id++};
  eve.connected = true;
  server->on_connected(eve.id, eve.keys.public_key, {}, now);
  run_for(seconds(11));
  EXPECT_TRUE(eve.closed_by_server);
  EXPECT_EQ(server->client_count(), 0u);
}

TEST_F(Rendezvous, WhoTalksAndDoesNotLogInIsSentAway) {
  for (const bool lobby : {false, true}) {
    User& eve = add("str:eve");
    eve.id = ClientId{next_id++};
    eve.connected = true;
    server->on_connected(eve.id, eve.keys.public_key, {}, now);
    const auto message =
        lobby ? encode(LobbyRequest(LobbyLeave{1, LobbyId{2}})) : encode(ClientMessage(Ping{1}));
    std::size_t answers = 0;
    for (int i = 0; i < 1000; ++i) {
      server->on_message(eve.id, message, now);
      while (const auto output = server->poll_output()) {
        if (!output->message.empty()) ++answers;
        deliver(*output);
      }
    }
    EXPECT_LE(answers, 32u);
    EXPECT_TRUE(eve.closed_by_server);
  }
}

TEST_F(Rendezvous, ASecondLoginReplacesTheFirst) {
  User& alice = logged_in("str:alice");
  User& again = add("str:alice");
  again.keys = alice.keys;
  connect(again);
  EXPECT_TRUE(again.online());
  EXPECT_TRUE(alice.closed_by_server);
  ASSERT_EQ(alice.all<FarewellEvent>().size(), 1u);
  EXPECT_TRUE(alice.all<FarewellEvent>()[0].replaced);
  EXPECT_EQ(server->user_count(), 1u);
  // The end of the old session takes nothing from the new one.
  server->on_disconnected(alice.id, now);
  EXPECT_EQ(server->user_count(), 1u);
}

TEST_F(Rendezvous, WatchersSeeUsersComeAndGo) {
  User& alice = logged_in("str:alice");
  alice.client.watch(name("str:bob"), true, now);
  run();
  User& bob = logged_in("str:bob");
  disconnect(bob);
  const auto seen = alice.all<PresenceEvent>();
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_FALSE(seen[0].online);
  EXPECT_TRUE(seen[1].online);
  EXPECT_FALSE(seen[2].online);
  alice.client.watch(name("str:bob"), false, now);
  run();
  connect(bob);
  EXPECT_EQ(alice.all<PresenceEvent>().size(), 3u);
}

TEST_F(Rendezvous, TicketsAreForWhoAsks) {
  User& alice = logged_in("str:alice");
  alice.client.want_ticket();
  run();
  ASSERT_EQ(alice.all<TicketsEvent>().size(), 1u);
  EXPECT_EQ(as_text(alice.all<TicketsEvent>()[0].relays.at(0).token), "str:alice");
}

TEST_F(Rendezvous, CertificatesAreRenewedInTime) {
  User& alice = logged_in("str:alice");
  std::size_t seen = 0;
  for (int hour = 0; hour < 72; ++hour) {
    run_for(seconds(3600));
    seen = alice.all<CertificateEvent>().size();
    const std::vector<std::uint8_t> latest = seen == 0
                                                 ? alice.all<OnlineEvent>().back().certificate
                                                 : alice.all<CertificateEvent>().back().certificate;
    ASSERT_EQ(status_of(latest, authority->public_key(), "str:alice", alice.keys.public_key,
                        clock.seconds_at(now)),
              CertificateStatus::kValid)
        << hour;
  }
  EXPECT_GE(seen, 5u);
  EXPECT_LE(seen, 7u);
}

TEST_F(Rendezvous, ARevokedKeyIsNotRenewedAndNotLetIn) {
  User& alice = logged_in("str:alice");
  registry.revoke(alice.keys.public_key);
  run_for(seconds(13 * 3600));
  EXPECT_TRUE(alice.closed_by_server);
  connect(alice);
  EXPECT_EQ(alice.all<LoginRefusedEvent>().back().code, RefusalCode::kRevoked);
}

TEST_F(Rendezvous, ARevokedUserIsPutOutAndAllOthersAreTold) {
  User& alice = logged_in("str:alice");
  User& bob = logged_in("str:bob");
  registry.revoke(alice.keys.public_key);
  run_for(seconds(3));
  EXPECT_TRUE(alice.closed_by_server);
  EXPECT_FALSE(bob.closed_by_server);
  EXPECT_EQ(bob.all<RevocationsEvent>().size(), 1u);
}

TEST_F(Rendezvous, NumbersAreGivenAway) {
  authority_config.mode = AuthorityConfig::Mode::kNumeric;
  restart();
  User& first = logged_in("");
  User& second = logged_in("");
  EXPECT_EQ(first.client.identity(), Identity::steam_id(0x0110000100000001));
  EXPECT_EQ(second.client.identity(), Identity::steam_id(0x0110000100000002));
  disconnect(first);
  connect(first);
  EXPECT_EQ(first.client.identity(), Identity::steam_id(0x0110000100000001))
      << "the key's for good";
  User& liar = add("steamid:76561197960265729");
  connect(liar);
  EXPECT_EQ(liar.all<LoginRefusedEvent>().at(0).code, RefusalCode::kBadIdentity);
}

TEST_F(Rendezvous, ABackendsTokenSaysWhoItIs) {
  authority_config.mode = AuthorityConfig::Mode::kToken;
  authority_config.check_token = [](const std::string& token,
                                    std::int64_t) -> std::variant<BackendClaim, std::string> {
    if (token.rfind("good:", 0) != 0) return "the token is not the backend's";
    return BackendClaim{token.substr(5), 7, std::nullopt};
  };
  restart();
  User& alice = add("", 7, "good:str:alice");
  connect(alice);
  EXPECT_EQ(alice.client.identity(), name("str:alice"));
  User& eve = add("", 7, "forged");
  connect(eve);
  EXPECT_EQ(eve.all<LoginRefusedEvent>().at(0).code, RefusalCode::kBadToken);
  User& elsewhere = add("", 8, "good:str:alice");
  connect(elsewhere);
  EXPECT_EQ(elsewhere.all<LoginRefusedEvent>().at(0).code, RefusalCode::kWrongApp);
}

TEST_F(Rendezvous, AnotherApplicationIsSentAway) {
  authority_config.app_id = 7;
  restart();
  logged_in("str:alice", 7);
  User& other = add("str:bob", 8);
  connect(other);
  EXPECT_EQ(other.all<LoginRefusedEvent>().at(0).code, RefusalCode::kWrongApp);
}

TEST_F(Rendezvous, JunkIsRefusedAndNothingElse) {
  User& alice = logged_in("str:alice");
  User& bob = logged_in("str:bob");
  for (int i = 0; i < 2000; ++i) {
    std::vector<std::uint8_t> junk(random.below(64));
    random.fill(junk);
    if (!junk.empty()) junk[0] = static_cast<std::uint8_t>(junk[0] % 9);
    server->on_message(alice.id, junk, now);
    now += milliseconds(30);
    while (server->poll_output()) {
    }
  }
  bob.client.lookup(name("str:bob"), now);
  run();
  EXPECT_TRUE(bob.all<FoundEvent>().at(0).online);
}

// --- limits -------------------------------------------------------------------------------------

TEST_F(Rendezvous, LimitOfClients) {
  limits.clients_max = 2;
  restart();
  logged_in("str:a");
  logged_in("str:b");
  User& late = add("str:c");
  connect(late);
  EXPECT_FALSE(late.online());
  EXPECT_TRUE(late.closed_by_server);
  EXPECT_TRUE(late.all<LoginRefusedEvent>().at(0).again);
  disconnect(*users[0]);
  connect(late);
  EXPECT_TRUE(late.online());
}

TEST_F(Rendezvous, LimitOfRequests) {
  limits.requests_per_second = 10;
  restart();
  User& alice = logged_in("str:alice");
  User& bob = logged_in("str:bob");
  for (int i = 0; i < 100; ++i) alice.client.signal(name("str:bob"), {1});
  run();
  EXPECT_EQ(bob.all<SignalEvent>().size(), 9u) << "the login was one";
  now += seconds(1);
  for (int i = 0; i < 100; ++i) alice.client.signal(name("str:bob"), {1});
  run();
  EXPECT_EQ(bob.all<SignalEvent>().size(), 19u);
  EXPECT_TRUE(alice.connected);
}

TEST_F(Rendezvous, WhoIsBusyGetsHisCertificate) {
  limits.requests_per_second = 10;
  restart();
  User& alice = logged_in("str:alice");
  const auto ask = [&](int count) {
    for (int i = 0; i < 50; ++i) alice.client.signal(name("str:bob"), {1});
    run();
    for (int i = 0; i < count; ++i) server->on_message(alice.id, encode(Renew{}), now);
    run();
    return alice.all<CertificateEvent>().size();
  };
  EXPECT_EQ(ask(1), 1u);
  EXPECT_EQ(ask(100), 4u) << "a signature costs the server time";
  now += seconds(10);
  EXPECT_EQ(ask(100), 5u);
}

// Nobody's line is others' to fill.
TEST_F(Rendezvous, LimitOfSignalsToOneUser) {
  limits.signal_bytes_per_second = 10'000;
  restart();
  User& alice = logged_in("str:alice");
  User& bob = logged_in("str:bob");
  User& carol = logged_in("str:carol");
  for (int i = 0; i < 10; ++i) {
    alice.client.signal(name("str:bob"), std::vector<std::uint8_t>(1000));
    carol.client.signal(name("str:bob"), std::vector<std::uint8_t>(1000));
  }
  run();
  EXPECT_EQ(bob.all<SignalEvent>().size(), 10u);
  EXPECT_EQ(server->counters().signals_dropped, 10u);
  EXPECT_EQ(alice.all<UndeliveredEvent>().size() + carol.all<UndeliveredEvent>().size(), 10u);
  now += seconds(1);
  alice.client.signal(name("str:bob"), {1});
  run();
  EXPECT_EQ(bob.all<SignalEvent>().size(), 11u);
}

TEST_F(Rendezvous, LimitOfWatches) {
  limits.watches_max = 3;
  restart();
  User& alice = logged_in("str:alice");
  for (int i = 0; i < 10; ++i) alice.client.watch(name("str:w" + std::to_string(i)), true, now);
  run();
  EXPECT_EQ(alice.all<PresenceEvent>().size(), 3u);
}

TEST_F(Rendezvous, LimitOfWatchersOfOneUser) {
  limits.watchers_max = 2;
  restart();
  for (const char* who : {"str:a", "str:b", "str:c"}) {
    logged_in(who).client.watch(name("str:star"), true, now);
    run();
  }
  logged_in("str:star");
  EXPECT_EQ(users[0]->all<PresenceEvent>().size(), 2u);
  EXPECT_EQ(users[1]->all<PresenceEvent>().size(), 2u);
  EXPECT_TRUE(users[2]->all<PresenceEvent>().empty());
  // Who watches already may ask again.
  server->on_message(users[0]->id, encode(ClientMessage(Watch{"str:star", true})), now);
  const auto answer = server->poll_output();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->message, encode(ServerMessage(Presence{"str:star", true})));
}

// A friend who is gone must not be shown as online for ever, however many leave at once.
TEST_F(Rendezvous, WhoLeavesNoLongerCountsAsAWatcher) {
  limits.watchers_max = 1;
  restart();
  logged_in("str:alice");
  User& bob = logged_in("str:bob");
  User& carol = logged_in("str:carol");
  bob.client.watch(name("str:alice"), true, now);
  run();
  disconnect(bob);
  carol.client.watch(name("str:alice"), true, now);
  run();
  EXPECT_EQ(carol.all<PresenceEvent>().size(), 1u);
}

TEST_F(Rendezvous, AWatcherWhoWasNotToldForWantOfRoomIsToldLater) {
  limits.outputs_max = 4;
  restart();
  User& star = logged_in("str:star");
  for (int i = 0; i < 10; ++i) {
    User& fan = logged_in("str:fan" + std::to_string(i));
    fan.client.watch(name("str:star"), true, now);
    run();
  }
  disconnect(star);
  EXPECT_GT(server->counters().dropped_outputs, 0u);
  run_for(seconds(1));
  for (std::size_t i = 1; i < users.size(); ++i) {
    const auto told = users[i]->all<PresenceEvent>();
    ASSERT_EQ(told.size(), 2u) << i;
    EXPECT_FALSE(told[1].online) << i;
    EXPECT_TRUE(users[i]->online()) << i;
  }
}

TEST_F(Rendezvous, AWatcherWhoTookNothingIsToldLater) {
  User& alice = logged_in("str:alice");
  logged_in("str:bob");
  alice.client.watch(name("str:bob"), true, now);
  run();
  const auto word = encode(ServerMessage(Presence{"str:bob", true}));
  server->on_not_taken(alice.id, word, now);
  server->advance(now);
  EXPECT_FALSE(server->poll_output()) << "not at once: it would be lost, too";
  now += seconds(1);
  server->advance(now);
  const auto again = server->poll_output();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->message, word);
  EXPECT_FALSE(server->poll_output());
}

TEST_F(Rendezvous, AFarewellReachesEverybody) {
  limits.outputs_max = 2;
  restart();
  for (const char* who : {"str:a", "str:b", "str:c", "str:d"}) logged_in(who);
  server->farewell(seconds(10));
  run();
  for (const auto& user : users) EXPECT_EQ(user->all<FarewellEvent>().size(), 1u);
}

TEST_F(Rendezvous, LimitOfOutputs) {
  limits.outputs_max = 5;
  restart();
  User& alice = logged_in("str:alice");
  for (int i = 0; i < 20; ++i) server->on_message(alice.id, encode(ClientMessage(Ping{1})), now);
  EXPECT_EQ(server->counters().dropped_outputs, 15u);
  run();
  EXPECT_TRUE(alice.closed_by_server) << "it has missed something, and begins anew";
}

TEST_F(Rendezvous, WhatMayBeLostCutsNobodyOff) {
  limits.outputs_max = 5;
  restart();
  User& alice = logged_in("str:alice");
  User& bob = logged_in("str:bob");
  for (std::uint32_t i = 0; i < 20; ++i) {
    server->on_message(bob.id, encode(ClientMessage(Signal{i + 1, "str:alice", {1}})), now);
  }
  EXPECT_GT(server->counters().dropped_outputs, 0u);
  run();
  EXPECT_FALSE(alice.closed_by_server);
  EXPECT_TRUE(bob.closed_by_server) << "answers were among it";
}

TEST_F(Rendezvous, LimitOfNamesOfAKey) {
  authority_config.names_of_key_max = 2;
  restart();
  User& first = logged_in("str:a");
  for (const char* name : {"str:b", "str:c"}) {
    User& again = add(name);
    again.keys = first.keys;
    connect(again);
    EXPECT_EQ(again.online(), name == std::string("str:b"));
  }
  const auto refused = users[2]->all<LoginRefusedEvent>();
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].text,
            "this key has all 2 names that a key may have here: use one of them, or another key");
  disconnect(first);
  connect(first);
  EXPECT_TRUE(first.online()) << "a name that it has";
}

TEST_F(Rendezvous, LimitOfNewNames) {
  authority_config.new_names_per_minute = 4;
  authority_config.new_names_of_network_per_minute = 2;
  restart();
  const auto comes = [&](const std::string& name, const char* from) {
    User& user = add(name);
    user.from = *IpAddress::parse(from);
    connect(user);
    return user.online();
  };
  EXPECT_TRUE(comes("str:a", "192.0.2.1:1"));
  EXPECT_TRUE(comes("str:b", "192.0.2.2:1"));
  EXPECT_FALSE(comes("str:c", "192.0.2.3:1")) << "the same /24";
  EXPECT_EQ(users[2]->all<LoginRefusedEvent>()[0].code, RefusalCode::kTooOften);
  EXPECT_TRUE(users[2]->all<LoginRefusedEvent>()[0].again);
  EXPECT_TRUE(comes("str:d", "[2001:db8::1]:1"));
  EXPECT_TRUE(comes("str:e", "[2001:db8:0:1::1]:1"));
  EXPECT_FALSE(comes("str:f", "198.51.100.1:1")) << "of all";
  disconnect(*users[0]);
  connect(*users[0]);
  EXPECT_TRUE(users[0]->online()) << "who is known comes in";
  run_for(seconds(61));
  connect(*users[2]);
  EXPECT_TRUE(users[2]->online());
}

// Without a word from them: their own clocks may have been right all the time, or wrong alike.
TEST_F(Rendezvous, ClientsGetACertificateAndTicketsOfTheRightTimeWhenTheClockIsSet) {
  clock.set(now, 0);
  User& alice = logged_in("str:alice");
  User& bob = logged_in("str:bob");
  alice.events.clear();
  clock.set(now, kTestUnixStart);
  server->on_clock_jump(now);
  run();
  const auto renewed = alice.all<CertificateEvent>();
  ASSERT_EQ(renewed.size(), 1u);
  EXPECT_EQ(status_of(renewed[0].certificate, authority->public_key(), "str:alice",
                      alice.keys.public_key, kTestUnixStart / 1000),
            CertificateStatus::kValid);
  EXPECT_EQ(alice.all<TicketsEvent>().size(), 1u);
  // And so does whoever asks for her.
  bob.client.lookup(name("str:alice"), now);
  run();
  EXPECT_EQ(bob.all<FoundEvent>().at(0).certificate, renewed[0].certificate);
}

TEST_F(Rendezvous, RevocationsAreToldUnderTheRightDateWhenTheClockIsSet) {
  clock.set(now, kTestUnixStart + 3'600'000);
  User& alice = logged_in("str:alice");
  registry.revoke(generate_x25519(random).public_key);
  run_for(seconds(2));
  ASSERT_EQ(alice.all<RevocationsEvent>().size(), 1u);
  clock.set(now, kTestUnixStart);
  server->on_clock_jump(now);
  run_for(seconds(2));
  const auto lists = alice.all<RevocationsEvent>();
  ASSERT_EQ(lists.size(), 2u);
  EXPECT_EQ(decode_revocations(lists[1].list)->issued, kTestUnixStart / 1000);
}

// A store that cannot say whether a key was revoked is no reason to renew its certificate, nor to
// put it out.
TEST_F(Rendezvous, ACertificateIsNotRenewedUnseen) {
  struct Broken : MemoryRegistry {
    Answer revoked(const PublicKey& key) override {
      return broken ? Answer::kUnavailable : MemoryRegistry::revoked(key);
    }
    bool broken = false;
  } store;
  authority = std::make_unique<Authority>(authority_config, key, store);
  server = std::make_unique<RendezvousServer>(limits, *authority, &tickets, now, clock);
  User& alice = logged_in("str:alice");
  store.broken = true;
  server->on_message(alice.id, encode(ClientMessage(Renew{})), now);
  run();
  EXPECT_TRUE(alice.all<CertificateEvent>().empty());
  EXPECT_TRUE(alice.online());
  store.broken = false;
  server->on_message(alice.id, encode(ClientMessage(Renew{})), now);
  run();
  EXPECT_EQ(alice.all<CertificateEvent>().size(), 1u);
}

TEST_F(Rendezvous, ALoginThatIsNotAnsweredEnds) {
  User& alice = add("str:alice");
  alice.client.on_connected(now);
  while (alice.client.poll_output()) {
  }
  run_for(Client::kLoginTime + milliseconds(1));
  EXPECT_EQ(alice.all<SilentEvent>().size(), 1u);
}

TEST_F(Rendezvous, LimitOfClaims) {
  MemoryRegistry small(2);
  const PublicKey owner = generate_x25519(random).public_key;
  EXPECT_EQ(small.claim(1, "str:a", owner), Registry::Answer::kYes);
  EXPECT_EQ(small.claim(1, "str:b", owner), Registry::Answer::kYes);
  EXPECT_EQ(small.claim(1, "str:c", owner), Registry::Answer::kUnavailable);
  EXPECT_EQ(small.claim(1, "str:a", owner), Registry::Answer::kYes) << "those that are known stay";
}

}  // namespace
}  // namespace whimbrel::rendezvous
