// Two people talk, line by line. Each names himself, the other, and where the other is:
//
//   chat bob   4001 alice 127.0.0.1:4002
//   chat alice 4002 bob   127.0.0.1:4001
#include <poll.h>
#include <unistd.h>
#include <whimbrel/networking_messages.h>

#include <cstdio>
#include <string>

// One line of standard input, sent. False at the end of the input.
bool send_line(whimbrel::NetworkingMessages& net, const whimbrel::Identity& peer) {
  std::string line;
  char c = 0;
  while (::read(STDIN_FILENO, &c, 1) == 1) {
    if (c == '\n') {
      const auto result = net.send_message_to_user(peer, line, whimbrel::kSendReliable, 0);
      if (result != whimbrel::Result::kOk) std::printf("* not sent\n");
      return true;
    }
    line += c;
  }
  return false;
}

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "use: chat MY_NAME MY_PORT PEER_NAME PEER_ADDRESS\n");
    return 2;
  }
  const auto peer = whimbrel::Identity::generic_string(argv[3]);
  whimbrel::Config config;
  config.identity = whimbrel::Identity::generic_string(argv[1]);
  config.bind_v4 = std::string("0.0.0.0:") + argv[2];
  config.bind_v6 = "";
  config.routes.push_back({peer, argv[4], ""});
  std::string error;
  auto net = whimbrel::NetworkingMessages::create(config, &error);
  if (!net) {
    std::fprintf(stderr, "%s\n", error.c_str());
    return 1;
  }
  net->on_session_request([&](const whimbrel::Identity& who) {
    if (who == peer) net->accept_session_with_user(who);  // anybody else is ignored
  });
  net->on_session_failed(
      [](const whimbrel::ConnectionInfo& info) { std::printf("* %s\n", info.end_debug.c_str()); });

  bool typing = true;
  while (typing) {
    pollfd fds[2] = {{STDIN_FILENO, POLLIN, 0}, {net->event_handle(), POLLIN, 0}};
    ::poll(fds, 2, 1000);
    if (fds[0].revents != 0) typing = send_line(*net, peer);
    net->run_callbacks();
    for (const auto& message : net->receive_messages_on_channel(0, 64)) {
      std::printf("%s: %s\n", argv[3], std::string(message.text()).c_str());
    }
    std::fflush(stdout);
  }
  // Closing lets reliable messages leave for up to a second (Option::kLingerTime).
}
