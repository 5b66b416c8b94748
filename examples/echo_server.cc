// Sends every message back to where it came from, as it came: same channel, reliable or not.
//
//   echo_server NAME PORT          echo_server bob 4000
//
// Ends with Ctrl-C.
#include <whimbrel/networking_messages.h>

#include <chrono>
#include <csignal>
#include <cstdio>

namespace {
volatile std::sig_atomic_t running = 1;
}

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "use: echo_server NAME PORT\n");
    return 2;
  }
  whimbrel::Config config;
  config.identity = whimbrel::Identity::generic_string(argv[1]);
  config.bind_v4 = std::string("0.0.0.0:") + argv[2];
  config.bind_v6 = "";
  std::string error;
  auto net = whimbrel::NetworkingMessages::create(config, &error);
  if (!net) {
    std::fprintf(stderr, "%s\n", error.c_str());
    return 1;
  }
  net->on_session_request([&](const whimbrel::Identity& who) {
    std::printf("%s is welcome\n", who.text().c_str());
    net->accept_session_with_user(who);
  });
  net->on_session_failed([](const whimbrel::ConnectionInfo& info) {
    std::printf("%s: %s\n", info.identity.text().c_str(), info.end_debug.c_str());
  });
  std::signal(SIGINT, [](int) { running = 0; });
  std::signal(SIGTERM, [](int) { running = 0; });
  std::printf("echo on port %d\n", int{net->port_v4()});
  std::fflush(stdout);

  while (running != 0) {
    net->wait(std::chrono::milliseconds(100));
    net->run_callbacks();
    for (int channel = 0; channel < 4; ++channel) {
      for (const auto& message : net->receive_messages_on_channel(channel, 64)) {
        const auto result = net->send_message_to_user(message.identity(), message.payload(),
                                                      message.flags(), channel);
        // A server for many would keep the message and try again when wait() says that there is
        // room.
        if (result != whimbrel::Result::kOk) std::printf("an echo was dropped\n");
      }
    }
    std::fflush(stdout);
  }
}
