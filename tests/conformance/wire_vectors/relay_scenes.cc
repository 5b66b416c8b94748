#include "tests/conformance/wire_vectors/relay_scenes.h"

#include <whimbrel/send_flags.h>

#include "tests/conformance/wire_vectors/relays.h"
#include "tests/conformance/wire_vectors/scene.h"

namespace whimbrel::vectors {

namespace {

constexpr int kUnreliable = kSendUnreliable | kSendNoNagle;
constexpr int kReliable = kSendReliable | kSendNoNagle;
constexpr auto kDown = CarrierState::kDown;
constexpr auto kDoubted = CarrierState::kDoubted;
constexpr auto kUp = CarrierState::kUp;
constexpr Relays::Site kNear{1, milliseconds(5)}, kFar{2, milliseconds(15)},
    kThird{3, milliseconds(10)};

std::unique_ptr<Peer> end_over_relays(std::uint64_t seed, AeadSuite suite,
                                      std::uint64_t key_packets_max) {
  PeerOptions options;
  options.name = seed == 1 ? "str:alice" : "str:bob";
  options.seed = seed;
  options.session.datagram_size_max = kDatagramSizeMin;
  options.over_relays = true;
  options.suite = suite;
  options.limits.key_packets_max = key_packets_max;
  const Identity other = *Identity::parse(seed == 1 ? "str:bob" : "str:alice");
  return std::make_unique<EndpointPeer>(options, other, sim::kUnixStart);
}

struct Options {
  AeadSuite suite = AeadSuite::kAesGcm;
  std::uint64_t key_packets_max = 0;  // of end 0
};

// Two ends that have a session over two relays; both paths are open.
class Stage {
 public:
  explicit Stage(const char* name, const Options& options = {})
      : scene(name, end_over_relays(1, options.suite, options.key_packets_max),
              end_over_relays(2, options.suite, 0)),
        relays(scene, {kNear, kFar, kThird}) {
    scene.say(0, 20, kReliable);
    scene.run_for(milliseconds(100));
    relays.tell_both({{1, kUp}, {2, kUp}});
    scene.run_until_arrived();
    scene.run_for(milliseconds(300));
    say_both_ways();
  }
  std::size_t leader() {
    const bool first =
        scene.peer<Peer>(0).keys().public_key > scene.peer<Peer>(1).keys().public_key;
    return first ? 0 : 1;
  }
  void say_both_ways() {
    for (std::size_t end = 0; end < 2; ++end) {
      scene.say(end, 30, kReliable, 1);
      scene.say(end, 40, kUnreliable, 2);
    }
    scene.run_until_arrived();
  }
  void finish() {
    scene.run_until_arrived();
    scene.run_for(milliseconds(300));
    scene.close(0, 1001, "session closed");
    scene.run_until_over();
  }

  Scene scene;
  Relays relays;
};

}  // namespace

void relay_dies(std::string& out) {
  Stage stage("relay_dies");
  Scene& scene = stage.scene;
  for (std::size_t end = 0; end < 2; ++end) scene.say(end, 9000, kReliable, 3);
  scene.run_for(milliseconds(12));
  stage.relays.set_dead(1, true);
  for (int i = 0; i < 12; ++i) {
    for (std::size_t end = 0; end < 2; ++end) scene.say(end, 200, kReliable, 3);
    scene.run_for(milliseconds(50));
  }
  stage.relays.tell_both({{1, kDown}, {2, kUp}});
  scene.run_until_arrived();
  stage.say_both_ways();
  scene.run_for(seconds(1));
  stage.relays.set_dead(1, false);
  stage.relays.tell_both({{1, kUp}, {2, kUp}});
  for (int i = 0; i < 8; ++i) {
    stage.say_both_ways();
    scene.run_for(seconds(1));
  }
  stage.finish();
  scene.write({.handshake = "0 InitIK, 1 RespIK, 0 ResetAsk, 1 ResetAsk, 0 ResetAsk, 1 ResetAsk, "
                            "0 ResetAsk, 1 ResetAsk",
               .challenges_answered = {1, 0},
               .paths = "0, 1"},
              out);
}

void relay_is_taken_away(std::string& out) {
  Stage stage("relay_is_taken_away");
  Scene& scene = stage.scene;
  for (std::size_t end = 0; end < 2; ++end) scene.say(end, 5000, kReliable, 3);
  scene.run_for(milliseconds(12));
  stage.relays.set_dead(1, true);
  stage.relays.tell_both({{2, kUp}});
  scene.run_until_arrived();
  scene.run_for(milliseconds(300));
  stage.relays.tell_both({{2, kUp}, {3, kUp}});
  scene.run_for(milliseconds(300));
  stage.say_both_ways();
  stage.relays.tell_both({{3, kUp}});
  scene.run_for(milliseconds(300));
  stage.say_both_ways();
  stage.finish();
  scene.write({.handshake = "0 InitIK, 1 RespIK",
               .challenges_answered = {2, 0},
               .paths = "0 ended, 1 ended, 2"},
              out);
}

void keys_on_two_paths(std::string& out) {
  Stage stage("keys_on_two_paths", {AeadSuite::kChaChaPoly, 100});
  Scene& scene = stage.scene;
  const std::size_t leader = stage.leader();
  stage.relays.tell_both({{1, kDoubted}, {2, kUp}});
  for (int i = 0; i < 30; ++i) {
    if (i % 10 == 3) stage.relays.set_dead(i < 10 ? 1 : 2, true);
    if (i % 10 == 5) stage.relays.set_dead(i < 10 ? 1 : 2, false);
    // What is said of a third path leaves on both as well.
    if (i == 16) stage.relays.tell_both({{1, kDoubted}, {2, kUp}, {3, kUp}});
    if (i == 20) stage.relays.tell(1 - leader, {{1, kDoubted}, {2, kUp}, {3, kDown}});
    scene.say(0, 50, kReliable, 3);
    if (i % 3 == 0) scene.say(1, 50, kReliable, 3);
    if (i % 5 == 0) {
      scene.say(0, 60, kUnreliable, 4);
      scene.say(1, 2500, kUnreliable, 4);
    }
    scene.run_for(milliseconds(120));
  }
  // CLOSE leaves on two paths as well.
  stage.relays.tell_both({{1, kDoubted}, {2, kUp}, {3, kUp}});
  stage.finish();
  scene.write({.handshake = "0 InitIK, 1 RespIK, 0 ResetAsk, 1 ResetAsk, 1 ResetAsk, 0 ResetAsk, "
                            "0 ResetAsk",
               .suite = 2,
               .challenges_answered = {2, 0},
               .paths = "0, 1, 2",
               .copied = {4, 6}},
              out);
}

void acknowledged_elsewhere(std::string& out) {
  Stage stage("acknowledged_elsewhere");
  Scene& scene = stage.scene;
  for (const std::size_t end : {1 - stage.leader(), stage.leader()}) {
    scene.say(1 - end, 5000, kReliable, 3);
    stage.relays.tell(end, {{1, kDown}, {2, kUp}});
    scene.run_until_arrived();
    scene.run_for(milliseconds(300));
    stage.relays.tell(end, {{1, kUp}, {2, kUp}});
    scene.run_for(seconds(6));
    stage.say_both_ways();
  }
  stage.finish();
  scene.write({.handshake = "0 InitIK, 1 RespIK", .challenges_answered = {1, 0}, .paths = "0, 1"},
              out);
}

}  // namespace whimbrel::vectors
