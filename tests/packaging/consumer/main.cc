// What every way to use the package builds and runs: a message to oneself, so that the whole
// library is linked.
#include <whimbrel/networking_messages.h>
#include <whimbrel/version.h>

#include <chrono>
#include <cstdio>
#include <string>

int main() {
  whimbrel::Config config;
  config.identity = whimbrel::Identity::generic_string("packaged");
  config.bind_v4 = "127.0.0.1:0";
  config.bind_v6 = "";
  std::string error;
  const auto net = whimbrel::NetworkingMessages::create(config, &error);
  if (!net) return std::fprintf(stderr, "%s\n", error.c_str()), 1;
  net->send_message_to_user(config.identity, "hello", whimbrel::kSendReliable, 0);
  net->wait(std::chrono::seconds(10));
  const auto messages = net->receive_messages_on_channel(0, 1);
  if (messages.size() != 1 || messages[0].text() != "hello") return std::puts("no message"), 1;
  std::printf("whimbrel %s\n", whimbrel::version());
  return 0;
}
