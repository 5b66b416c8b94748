// Two hosts that know each other, for the scenarios.
#pragma once

#include <gtest/gtest.h>
#include <whimbrel/send_flags.h>

#include "sim/world.h"

namespace whimbrel::sim {

// How the dialling side knows the other one.
enum class Keys : std::uint8_t { kKnown, kUnknown };  // IK, XX

inline HostConfig host_config(const SessionOptions& options = {}) {
  HostConfig config;
  config.session = options;
  return config;
}

// One way takes two lines: 10 ms, a round trip 20 ms.
inline LinkConfig line(Duration delay = milliseconds(5)) { return {.delay = delay}; }

struct Duo {
  explicit Duo(Keys keys = Keys::kKnown, const LinkConfig& lines = line(),
               const SessionOptions& a_options = {}, const SessionOptions& b_options = {},
               std::uint64_t seed = 1)
      : world(seed),
        a(world.add("str:alice", host_config(a_options))),
        b(world.add("str:bob", host_config(b_options))) {
    world.introduce(a, b, keys == Keys::kKnown);
    world.set_lines(lines);
  }

  Simulation& simulation() { return world.simulation(); }
  Duration since_start() const { return world.now() - Instant{}; }
  // A session between the two, confirmed on both sides, and nothing under way.
  testing::AssertionResult connect() {
    a.say(b);
    const auto done = [this] {
      return b.messages_received() > 0 && a.connected(b) && b.connected(a);
    };
    const bool up = world.run_until(done, seconds(5));
    if (!up) return testing::AssertionFailure() << "no session: " << world.violations();
    world.run_for(milliseconds(200));
    return testing::AssertionSuccess();
  }
  // Says `count` messages of `size` bytes as fast as the send limit allows; false when `time_max`
  // passed first.
  bool pump(Host& from, Host& to, std::size_t count, std::size_t size, int flags, ChannelId channel,
            Duration time_max) {
    std::size_t taken = 0;
    const auto more = [&] {
      while (taken < count && from.say(to, size, flags, channel) == Result::kOk) ++taken;
      return taken == count && world.complete();
    };
    return world.run_until(more, time_max);
  }

  World world;
  Host& a;
  Host& b;
};

class BothHandshakes : public testing::TestWithParam<Keys> {};

inline std::string keys_name(const testing::TestParamInfo<Keys>& info) {
  return info.param == Keys::kKnown ? "KnownKey" : "UnknownKey";
}

}  // namespace whimbrel::sim
