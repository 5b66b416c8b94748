// port_before.cc on Whimbrel. Addresses stay addresses: a player is the identity
// "ip:127.0.0.1:PORT", so the rest of a game need not change. What is gained: encryption, no
// spoofed senders, and any message can be made reliable with a flag.
//
//   port_after MY_PORT PEER_PORT           both on this host
#include <unistd.h>
#include <whimbrel/networking_messages.h>

#include <cstdio>
#include <cstring>

struct Position {
  int tick;
  float x, y;
};

whimbrel::Identity local_identity(const char* port) {
  return whimbrel::Identity::parse(std::string("ip:127.0.0.1:") + port)
      .value_or(whimbrel::Identity());
}

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "use: port_after MY_PORT PEER_PORT\n"), 2;
  const whimbrel::Identity peer = local_identity(argv[2]);

  whimbrel::Config config;  // no name: peers know us by our address, as before
  config.bind_v4 = std::string("127.0.0.1:") + argv[1];
  config.bind_v6 = "";
  std::string error;
  auto net = whimbrel::NetworkingMessages::create(config, &error);
  if (!net) return std::fprintf(stderr, "%s\n", error.c_str()), 1;
  net->on_session_request([&](const whimbrel::Identity& who) {
    if (who == peer) net->accept_session_with_user(who);
  });

  int heard = 0;
  for (int tick = 1; tick <= 10 || (heard < 10 && tick <= 100); ++tick) {
    const Position mine{tick, 1.5f * static_cast<float>(tick), 0};
    net->send_message_to_user(peer, {&mine, sizeof mine}, whimbrel::kSendUnreliable, 0);

    net->run_callbacks();
    for (const auto& message : net->receive_messages_on_channel(0, 64)) {
      Position theirs{};
      if (message.size() != sizeof theirs) continue;
      std::memcpy(&theirs, message.payload().data(), sizeof theirs);
      std::printf("tick %d: the other is at %.1f\n", theirs.tick, static_cast<double>(theirs.x));
      ++heard;
    }
    std::fflush(stdout);
    ::usleep(50'000);
  }
  return heard > 0 ? 0 : 1;
}
