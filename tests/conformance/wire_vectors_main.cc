// Drives two ends of the library through sessions of every kind, in a simulated network and from
// fixed seeds, and writes all that an independent reader needs to follow them: their keys, every
// datagram, and what was said. verify_protocol.py is that reader.
//
//   wire_vectors [file]      to the standard output without a file
#include <whimbrel/send_flags.h>

#include <cstdio>
#include <functional>

#include "tests/conformance/wire_vectors/relay_scenes.h"
#include "tests/conformance/wire_vectors/scene.h"

namespace whimbrel::vectors {
namespace {

constexpr int kUnreliable = kSendUnreliable | kSendNoNagle;
constexpr int kReliable = kSendReliable | kSendNoNagle;

enum class Knows : std::uint8_t { kKey, kAddress };  // IK, XX

PeerOptions named(const char* name, std::uint64_t seed) {
  PeerOptions options;
  options.name = name;
  options.seed = seed;
  options.session.datagram_size_max = kDatagramSizeMin;
  return options;
}
PeerOptions alice() { return named("str:alice", 1); }
PeerOptions bob() { return named("str:bob", 2); }

std::unique_ptr<EndpointPeer> endpoint_peer(const PeerOptions& options, const char* user) {
  return std::make_unique<EndpointPeer>(options, *Identity::parse(user), sim::kUnixStart);
}

void introduce(Scene& scene, std::size_t end, Knows knows) {
  const Peer& other = scene.peer<Peer>(1 - end);
  std::optional<PublicKey> key;
  if (knows == Knows::kKey) key = other.keys().public_key;
  scene.peer<EndpointPeer>(end).endpoint().set_route(other.identity(), Scene::address(1 - end),
                                                     key);
}

// Two endpoints; the first can find the second.
std::unique_ptr<Scene> two_endpoints(const char* name, const PeerOptions& a, const PeerOptions& b,
                                     Knows knows) {
  auto scene = std::make_unique<Scene>(name, endpoint_peer(a, b.name.c_str()),
                                       endpoint_peer(b, a.name.c_str()));
  introduce(*scene, 0, knows);
  return scene;
}

void connect(Scene& scene) {
  scene.say(0, 20, kReliable);
  scene.run_until_arrived();
  scene.run_for(milliseconds(100));
}

void end(Scene& scene, int reason = 1001, const char* text = "session closed") {
  scene.run_until_arrived();
  scene.run_for(milliseconds(300));
  scene.close(0, reason, text);
  scene.run_until_over();
}

// Every kind of message, small and in parts, on several channels, both ways; one packet is lost.
void say_everything(Scene& scene) {
  for (const ChannelId channel : {0, 1, -1, 63, -70000}) scene.say(0, 30, kReliable, channel);
  for (const ChannelId channel : {0, 5, -5}) scene.say(0, 40, kUnreliable, channel);
  scene.say(0, 0, kReliable, 1);
  scene.say(0, 0, kUnreliable, 5);
  scene.say(1, 64, kReliable);
  scene.run_until_arrived();
  scene.say(0, 2500, kUnreliable, 5);
  scene.run_until_arrived();
  scene.say(0, 20000, kUnreliable, 6);
  scene.run_until_arrived();
  scene.lose_one(1, 1200);
  scene.say(1, 4000, kReliable, 2);
  scene.say(1, 70, kUnreliable, 2);
}

void ik_aes_gcm(std::string& out) {
  const auto scene = two_endpoints("ik_aes_gcm", alice(), bob(), Knows::kKey);
  connect(*scene);
  say_everything(*scene);
  end(*scene, 1234, "all was said");
  scene->write({.handshake = "0 InitIK, 1 RespIK"}, out);
}

// What Endpoint offers has AES-256-GCM first; here one asks for the other suite.
void ik_chacha20_poly1305(std::string& out) {
  const SuiteList suites{AeadSuite::kChaChaPoly, AeadSuite::kAesGcm};
  auto picky = std::make_unique<PickyPeer>(alice(), suites, VersionRange{1, 1});
  Scene scene("ik_chacha20_poly1305", std::move(picky), endpoint_peer(bob(), "str:alice"));
  scene.peer<PickyPeer>(0).dial(Scene::address(1), scene.peer<Peer>(1).keys().public_key,
                                scene.now());
  connect(scene);
  scene.say(0, 3000, kReliable, 4);
  scene.say(0, 50, kUnreliable, 4);
  scene.say(1, 60, kReliable);
  end(scene);
  scene.write({.handshake = "0 InitIK, 1 RespIK", .suite = 2}, out);
}

// A version that the answering side does not have: VersionReply, and another Init.
void version_reply(std::string& out) {
  const SuiteList suites{AeadSuite::kAesGcm, AeadSuite::kChaChaPoly};
  auto picky = std::make_unique<PickyPeer>(alice(), suites, VersionRange{1, 2});
  Scene scene("version_reply", std::move(picky), endpoint_peer(bob(), "str:alice"));
  scene.peer<PickyPeer>(0).dial(Scene::address(1), scene.peer<Peer>(1).keys().public_key,
                                scene.now());
  connect(scene);
  end(scene);
  scene.write(
      {.handshake = "0 InitIK of version 2 and suite 1, 1 VersionReply, 0 InitIK, 1 RespIK"}, out);
}

void xx(std::string& out) {
  const auto scene = two_endpoints("xx", alice(), bob(), Knows::kAddress);
  connect(*scene);
  scene->say(1, 100, kReliable, 9);
  scene->say(0, 100, kUnreliable, 9);
  end(*scene);
  scene->write({.handshake = "0 InitXX, 1 RespXX, 0 FinishXX"}, out);
}

// Both open at once: the one with the smaller static key yields.
void crossed(std::string& out) {
  const auto scene = two_endpoints("crossed_opens", alice(), bob(), Knows::kKey);
  introduce(*scene, 1, Knows::kKey);
  scene->say(0, 21, kReliable);
  scene->say(1, 22, kReliable);
  end(*scene);
  const bool first_yields =
      scene->peer<Peer>(0).keys().public_key < scene->peer<Peer>(1).keys().public_key;
  scene->write(
      {.handshake = std::string("0 InitIK, 1 InitIK, ") + (first_yields ? "0 RespIK" : "1 RespIK")},
      out);
}

// Both open at once, and neither knows the other's key yet.
void crossed_xx(std::string& out) {
  const auto scene = two_endpoints("crossed_opens_xx", alice(), bob(), Knows::kAddress);
  introduce(*scene, 1, Knows::kAddress);
  scene->say(0, 21, kReliable);
  scene->say(1, 22, kReliable);
  end(*scene);
  scene->write({.handshake = "0 InitXX, 1 InitXX, 1 RespXX, 0 RespXX, 0 FinishXX, 1 FinishXX"},
               out);
}

// The application takes its time to accept, and the caller repeats itself meanwhile.
void late_accept(std::string& out, Knows knows) {
  PeerOptions b = bob();
  b.on_request = OnRequest::kWait;
  const bool key = knows == Knows::kKey;
  const auto scene = two_endpoints(key ? "late_accept_ik" : "late_accept_xx", alice(), b, knows);
  scene->say(0, 20, kReliable);
  scene->run_for(milliseconds(500));
  scene->peer<EndpointPeer>(1).accept(scene->now());
  scene->simulation().touch(1);
  end(*scene);
  scene->write({.handshake = key ? "0 InitIK, 0 InitIK, 1 RespIK"
                                 : "0 InitXX, 1 RespXX, 0 FinishXX, 0 FinishXX, 0 ResetAsk"},
               out);
}

void certificates(std::string& out, Knows knows) {
  PeerOptions a = alice(), b = bob();
  a.certified = b.certified = true;
  const bool key = knows == Knows::kKey;
  const auto scene = two_endpoints(key ? "certificates_ik" : "certificates_xx", a, b, knows);
  connect(*scene);
  end(*scene);
  scene->write({.handshake = key ? "0 InitIK, 1 RespIK" : "0 InitXX, 1 RespXX, 0 FinishXX"}, out);
}

void cookie(std::string& out, Knows knows) {
  PeerOptions b = bob();
  b.limits.first_packets.per_100ms_max = 0;
  const bool key = knows == Knows::kKey;
  const auto scene = two_endpoints(key ? "cookie_ik" : "cookie_xx", alice(), b, knows);
  connect(*scene);
  end(*scene);
  scene->write({.handshake = key ? "0 InitIK, 1 CookieReply, 0 InitIK, 1 RespIK"
                                 : "0 InitXX, 1 CookieReply, 0 InitXX, 1 RespXX, 0 FinishXX"},
               out);
}

// Keys that are good for few packets; a packet is lost in between. More than 128 packets without an
// answer would need a longer number.
void key_updates(std::string& out) {
  PeerOptions a = alice();
  a.limits.key_packets_max = 32;
  const auto scene = two_endpoints("key_updates", a, bob(), Knows::kKey);
  connect(*scene);
  for (int i = 0; i < 40; ++i) {
    scene->say(0, 10, kReliable, 3);
    if (i % 4 == 0) scene->say(1, 10, kReliable, 3);
    scene->run_for(milliseconds(120));
  }
  end(*scene);
  scene->write({.handshake = "0 InitIK, 1 RespIK"}, out);
}

// More packets under way than one byte of packet number can tell apart.
void long_numbers(std::string& out) {
  const auto scene = two_endpoints("long_packet_numbers", alice(), bob(), Knows::kKey);
  connect(*scene);
  scene->simulation().set_blocked(0, 1, true);
  for (int i = 0; i < 150; ++i) {
    scene->say(0, 1, kReliable, 3);
    scene->run_for(milliseconds(1));
  }
  scene->simulation().set_blocked(0, 1, false);
  end(*scene);
  scene->write({.handshake = "0 InitIK, 1 RespIK, 0 ResetAsk"}, out);  // a question in the silence
}

void roaming(std::string& out) {
  const auto scene = two_endpoints("roaming", alice(), bob(), Knows::kKey);
  connect(*scene);
  scene->simulation().move(0, IpAddress::v4(10, 0, 1, 77, 4001));
  scene->say(1, 30, kReliable);  // to the old address: lost
  scene->say(0, 30, kReliable);
  scene->run_until_arrived();
  scene->say(1, 1500, kReliable);
  end(*scene);
  scene->write({.handshake = "0 InitIK, 1 RespIK", .challenges_answered = {1, 0}}, out);
}

// The first moves; its challenge is lost, and comes again from where the second has moved to
// meanwhile.
void both_move(std::string& out) {
  const auto scene = two_endpoints("both_move", alice(), bob(), Knows::kKey);
  connect(*scene);
  scene->simulation().move(0, IpAddress::v4(10, 0, 1, 77, 4001));
  scene->say(0, 30, kReliable);
  scene->lose_one(1, 1);
  scene->run_for(milliseconds(15));
  scene->simulation().move(1, IpAddress::v4(10, 0, 2, 88, 4002));
  scene->say(1, 30, kReliable);
  end(*scene);
  scene->write(
      {.handshake = "0 InitIK, 1 RespIK, 0 ResetAsk, 1 ResetAsk", .challenges_answered = {1, 1}},
      out);
}

void mtu_probes(std::string& out) {
  PeerOptions a = alice(), b = bob();
  a.session.datagram_size_max = b.session.datagram_size_max = 1400;
  const auto scene = two_endpoints("mtu_probes", a, b, Knows::kKey);
  connect(*scene);
  scene->say(0, 9000, kReliable);
  scene->run_until_arrived();
  scene->say(0, 4000, kReliable);
  end(*scene);
  scene->write({.handshake = "0 InitIK, 1 RespIK", .largest_proven = {1400, 1200}}, out);
}

// A small receive limit, so that new credit is announced for the session and for channels.
void credit(std::string& out) {
  PeerOptions b = bob();
  b.session.receive_messages_max = 20;
  b.session.receive_bytes_max = 1;  // the least there is
  const auto scene = two_endpoints("credit", alice(), b, Knows::kKey);
  connect(*scene);
  for (int i = 0; i < 60; ++i) scene->say(0, 12, kReliable, i % 2);
  end(*scene);
  scene->write({.handshake = "0 InitIK, 1 RespIK"}, out);
}

// Both close at once, with something still to acknowledge.
void both_close(std::string& out) {
  const auto scene = two_endpoints("both_close", alice(), bob(), Knows::kKey);
  connect(*scene);
  scene->say(0, 30, kReliable);
  scene->say(1, 30, kReliable);
  scene->run_until_arrived();
  scene->close(0, 1001, "session closed");
  scene->close(1, 1001, "session closed");
  scene->run_until_over();
  scene->write({.handshake = "0 InitIK, 1 RespIK"}, out);
}

void refusal(std::string& out, Knows knows) {
  PeerOptions b = bob();
  b.on_request = OnRequest::kRefuse;
  const bool key = knows == Knows::kKey;
  const auto scene = two_endpoints(key ? "refusal_ik" : "refusal_xx", alice(), b, knows);
  scene->peer<EndpointPeer>(0).send(as_bytes("hello"), kReliable, 0, scene->now());
  scene->simulation().touch(0);
  scene->claim_close(1, 1001, "refused");
  scene->run_for(seconds(2));
  scene->write({.handshake = key ? "0 InitIK, 1 RespIK" : "0 InitXX, 1 RespXX, 0 FinishXX"}, out);
}

// More channels than fit: those that are idle give their places, one of them twice.
void many_channels(std::string& out) {
  const auto scene = two_endpoints("many_channels", alice(), bob(), Knows::kKey);
  connect(*scene);
  for (ChannelId channel = 1; channel < 256; ++channel) scene->say(0, 3, kUnreliable, channel);
  scene->say(0, 30, kReliable, 7);
  scene->run_until_arrived();
  scene->run_for(milliseconds(200));
  for (const ChannelId channel : {1000, -1000}) {
    for (int i = 0; i < 2; ++i) {
      scene->say(0, 20, kUnreliable, channel);
      scene->say(0, 40, kReliable, channel);
    }
  }
  scene->run_until_arrived();
  scene->run_for(milliseconds(200));
  for (ChannelId channel = 2000; channel < 2150; ++channel) scene->say(0, 2, kReliable, channel);
  end(*scene);
  scene->write({.handshake = "0 InitIK, 1 RespIK"}, out);
}

// One end is killed and started again with its key: the other one asks, and is told.
void forgotten(std::string& out) {
  const auto scene = two_endpoints("forgotten", alice(), bob(), Knows::kKey);
  connect(*scene);
  const auto unix_now = sim::kUnixStart + to_milliseconds(scene->now().time_since_epoch());
  scene->peer<EndpointPeer>(1).restart(scene->now(), unix_now);
  scene->say(0, 30, kReliable);
  scene->run_for(seconds(1));
  scene->write({.handshake = "0 InitIK, 1 RespIK, 0 ResetAsk, 1 Reset"}, out);
}

std::string all_sessions() {
  const std::function<void(std::string&)> scenes[] = {
      ik_aes_gcm,
      ik_chacha20_poly1305,
      xx,
      crossed,
      crossed_xx,
      [](std::string& out) { late_accept(out, Knows::kKey); },
      [](std::string& out) { late_accept(out, Knows::kAddress); },
      [](std::string& out) { certificates(out, Knows::kKey); },
      [](std::string& out) { certificates(out, Knows::kAddress); },
      [](std::string& out) { cookie(out, Knows::kKey); },
      [](std::string& out) { cookie(out, Knows::kAddress); },
      version_reply,
      key_updates,
      long_numbers,
      roaming,
      both_move,
      mtu_probes,
      credit,
      both_close,
      many_channels,
      forgotten,
      [](std::string& out) { refusal(out, Knows::kKey); },
      [](std::string& out) { refusal(out, Knows::kAddress); },
      relay_dies,
      relay_is_taken_away,
      keys_on_two_paths,
      acknowledged_elsewhere,
  };
  std::string text = "{\"sessions\": [\n";
  const char* separator = "";
  for (const auto& scene : scenes) {
    text += separator;
    scene(text);
    separator = ",\n";
  }
  return text + "]}\n";
}

}  // namespace
}  // namespace whimbrel::vectors

int main(int argc, char** argv) {
  const std::string text = whimbrel::vectors::all_sessions();
  std::FILE* file = argc > 1 ? std::fopen(argv[1], "wb") : stdout;
  if (file == nullptr) {
    std::perror(argv[1]);
    return 1;
  }
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return std::fclose(file) == 0 && written ? 0 : 1;
}
