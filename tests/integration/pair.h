// Two instances on loopback that know each other's address, and small steps that tests are made of.
#pragma once

#include <gtest/gtest.h>
#include <whimbrel/networking_messages.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace whimbrel {

using namespace std::chrono_literals;

inline std::vector<std::uint8_t> payload_of(std::size_t size, std::uint8_t seed = 1) {
  std::vector<std::uint8_t> bytes(size);
  for (std::size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<std::uint8_t>(seed + i * 7 + i / 256);
  return bytes;
}

// What a node is made with, unless a test says otherwise: loopback only, any port.
inline Config loopback_config(const std::string& name, bool own_thread) {
  Config config;
  config.identity = Identity::generic_string(name);
  config.bind_v4 = "127.0.0.1:0";
  config.bind_v6 = "";
  config.own_thread = own_thread;
  return config;
}

inline std::unique_ptr<NetworkingMessages> make_node(const Config& config) {
  std::string error;
  auto node = NetworkingMessages::create(config, &error);
  EXPECT_NE(node, nullptr) << error;
  return node;
}

class Pair {
 public:
  explicit Pair(bool own_thread, const std::function<void(Config&)>& change = nullptr) {
    Config for_alice = loopback_config("alice", own_thread);
    Config for_bob = loopback_config("bob", own_thread);
    if (change) {
      change(for_alice);
      change(for_bob);
    }
    alice = make_node(for_alice);
    bob = make_node(for_bob);
    introduce();
    bob->on_session_request([this](const Identity& who) { bob->accept_session_with_user(who); });
    alice->on_session_failed([this](const ConnectionInfo& info) { failures.push_back(info); });
    bob->on_session_failed([this](const ConnectionInfo& info) { failures.push_back(info); });
  }

  // Runs both until `done`; false after 20 s of waiting in vain.
  bool run_until(const std::function<bool()>& done) {
    const auto give_up = std::chrono::steady_clock::now() + 20s;
    while (!done()) {
      if (std::chrono::steady_clock::now() > give_up) return false;
      alice->wait(500us);
      if (bob->wait(500us)) bob_was_told = true;
      alice->run_callbacks();
      bob->run_callbacks();
    }
    return true;
  }
  // Sends, and waits for room as often as need be.
  void send(NetworkingMessages& from, const Identity& to, std::span<const std::uint8_t> bytes,
            int flags, int channel = 0) {
    Result result = Result::kLimitExceeded;
    ASSERT_TRUE(run_until([&] {
      result = from.send_message_to_user(to, bytes, flags, channel);
      return result != Result::kLimitExceeded;
    }));
    ASSERT_EQ(result, Result::kOk);
  }
  // `count` messages of a channel, appended to `out`.
  bool receive(NetworkingMessages& node, std::size_t count, std::vector<Message>& out,
               int channel = 0) {
    return run_until([&] {
      for (auto& message : node.receive_messages_on_channel(channel, 1000)) {
        out.push_back(std::move(message));
      }
      return out.size() >= count;
    });
  }
  // A session that is up on both sides.
  void connect() {
    std::vector<Message> messages;
    send(*alice, bob_id, payload_of(1), kSendReliable, 99);
    ASSERT_TRUE(receive(*bob, 1, messages, 99));
    send(*bob, alice_id, payload_of(1), kSendReliable, 99);
    messages.clear();
    ASSERT_TRUE(receive(*alice, 1, messages, 99));
  }

  std::unique_ptr<NetworkingMessages> alice;
  std::unique_ptr<NetworkingMessages> bob;
  const Identity alice_id = Identity::generic_string("alice");
  const Identity bob_id = Identity::generic_string("bob");
  std::vector<ConnectionInfo> failures;
  bool bob_was_told = false;  // by wait() inside run_until()

 private:
  void introduce() {
    alice->add_route(
        {bob_id, "127.0.0.1:" + std::to_string(bob->port_v4()), bob->public_key_hex()});
    bob->add_route(
        {alice_id, "127.0.0.1:" + std::to_string(alice->port_v4()), alice->public_key_hex()});
  }
};

}  // namespace whimbrel
