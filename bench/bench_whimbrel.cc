// Whimbrel through its public API, default flags, encrypted. There is no window of the
// application's own: a send that is refused (kLimitExceeded) waits until there is room.
#include <whimbrel/networking_messages.h>

#include <sys/resource.h>

#include <filesystem>
#include <memory>
#include <thread>

#include "measure.h"

namespace bench {
namespace {

using namespace whimbrel;
using Net = std::unique_ptr<NetworkingMessages>;

constexpr int kChannel = 0;
constexpr std::chrono::milliseconds kPatience{100};

std::string loopback(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

// Where the server keeps its key, so that a client can know it beforehand.
std::string key_file(std::uint16_t port) {
  return (std::filesystem::temp_directory_path() / ("whimbrel-bench-" + std::to_string(port)))
      .string();
}

Net create(const Config& config) {
  std::string error;
  Net net = NetworkingMessages::create(config, &error);
  if (net == nullptr) fail(error.c_str());
  return net;
}

Config base_config(std::string_view name = {}) {
  Config config;
  if (!name.empty()) config.identity = Identity::generic_string(name);
  config.bind_v4 = loopback(0);
  config.bind_v6 = "";
  return config;
}

Config flood_config(const Arguments& arguments) {
  Config config = base_config();
  config.offload = arguments.row != "bulk_no_offload";
  config.options = {{Option::kSendBufferSize, 4 << 20},
                    {Option::kRecvBufferSize, 8 << 20},
                    {Option::kRecvBufferMessages, 65536}};
  return config;
}

Route route_to(std::uint16_t port, const std::string& key) {
  return {*Identity::parse("str:server"), loopback(port), key};
}

std::string key_of_server(std::uint16_t port) {
  Config config = base_config();
  config.key_file = key_file(port);
  return create(config)->public_key_hex();
}

Result send(NetworkingMessages& net, const Identity& user, std::size_t bytes, int flags) {
  static const std::vector<std::uint8_t> payload(kBulkBytes, 0x5a);
  return net.send_message_to_user(user, std::span(payload).first(bytes), flags, kChannel);
}

void serve(const Arguments& arguments) {
  const bool echoes = arguments.row == "rtt_64B" || arguments.row == "connect" ||
                      arguments.row == "sessions" || arguments.row == "idle";
  Config config = flood_config(arguments);
  config.identity = *Identity::parse("str:server");
  config.bind_v4 = loopback(arguments.port);
  config.key_file = key_file(arguments.port);
  const Net net = create(config);
  net->on_session_request([&](const Identity& user) { net->accept_session_with_user(user); });
  std::vector<Message> messages(1024);
  Meter meter(arguments.seconds);
  say_ready();
  while (!stopped()) {
    if (!net->wait(kPatience)) continue;
    net->run_callbacks();
    while (const std::size_t count = net->receive_messages_on_channel(kChannel, messages)) {
      std::uint64_t bytes = 0;
      for (const Message& message : std::span(messages).first(count)) {
        bytes += message.size();
        if (echoes)
          net->send_message_to_user(message.identity(), message.payload(), kSendReliable, kChannel);
      }
      if (!echoes) meter.add(count, bytes);
    }
  }
  std::filesystem::remove(config.key_file);
  if (!echoes) meter.print();
}

// Until a message is here.
void await_message(NetworkingMessages& net) {
  Message message;
  for (const double begin = now_s();
       net.receive_messages_on_channel(kChannel, {&message, 1}) == 0;) {
    if (now_s() > begin + 5) fail("no answer");
    net.wait(kPatience);
    net.run_callbacks();
  }
}

void flood(const Arguments& arguments) {
  const bool bulk = arguments.row.starts_with("bulk");
  const int flags = bulk || arguments.row == "reliable_64B" ? kSendReliable : kSendUnreliable;
  const std::size_t bytes = bulk                                  ? kBulkBytes
                            : arguments.row == "unreliable_1200B" ? kFullBytes
                                                                  : kSmallBytes;
  const std::size_t at_once = bulk ? 1 : 64;  // between two looks at the clock
  const Net net = create(flood_config(arguments));
  const Identity server = *Identity::parse("ip:" + loopback(arguments.port));
  Meter meter(arguments.seconds);
  meter.start();
  while (!meter.sender_done()) {
    Result result = Result::kOk;
    for (std::size_t i = 0; i < at_once && result == Result::kOk; ++i)
      result = send(*net, server, bytes, flags);
    if (result == Result::kLimitExceeded)
      net->wait(kPatience);
    else if (result != Result::kOk)
      fail("a send was refused");
    meter.tick();
  }
  meter.print();
}

void ping_pong(const Arguments& arguments) {
  const Net net = create(base_config());
  const Identity server = *Identity::parse("ip:" + loopback(arguments.port));
  std::vector<double> times;
  const double begin = now_s();
  const double end = begin + kWarmUpSeconds + arguments.seconds;
  for (double sent_at = begin; sent_at < end;) {
    send(*net, server, kSmallBytes, kSendReliable);
    await_message(*net);
    const double now = now_s();
    if (sent_at > begin + kWarmUpSeconds) times.push_back(now - sent_at);
    sent_at = now;
  }
  print_times(std::move(times));
}

// From the first send to the answer to it; the server's key is known. A new instance each time.
void connect_one_by_one(const Arguments& arguments) {
  const Route route = route_to(arguments.port, key_of_server(arguments.port));
  std::vector<double> times;
  for (const double end = now_s() + arguments.seconds; now_s() < end && times.size() < kSessions;) {
    const Net net = create(base_config());
    net->add_route(route);
    const double begin = now_s();
    send(*net, route.identity, kSmallBytes, kSendReliable);
    await_message(*net);
    times.push_back(now_s() - begin);
  }
  print_times(std::move(times));
}

// Both ends of a crossed open in one process, each with its own thread: how long until both have
// the other's message.
double cross_once() {
  const Net a = create(base_config("a")), b = create(base_config("b"));
  const Identity name_a = a->identity(), name_b = b->identity();
  a->add_route({name_b, loopback(b->port_v4()), b->public_key_hex()});
  b->add_route({name_a, loopback(a->port_v4()), a->public_key_hex()});
  double done_b = 0;
  const double begin = now_s() + 0.002;  // the other thread is up by then
  std::thread other([&] {
    while (now_s() < begin) continue;
    send(*b, name_a, kSmallBytes, kSendReliable);
    await_message(*b);
    done_b = now_s();
  });
  while (now_s() < begin) continue;
  send(*a, name_b, kSmallBytes, kSendReliable);
  await_message(*a);
  const double done_a = now_s();
  other.join();
  return std::max(done_a, done_b) - begin;
}

void connect_crossed(const Arguments& arguments) {
  std::vector<double> times;
  for (const double end = now_s() + arguments.seconds; now_s() < end && times.size() < 200;)
    times.push_back(cross_once());
  print_times(std::move(times));
}

// Instances without threads: a thousand users in one process.
class Crowd {
 public:
  explicit Crowd(std::uint16_t port) : route_(route_to(port, key_of_server(port))) {
    rlimit files = {};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    Config config = base_config();
    config.own_thread = false;
    for (std::size_t i = 0; i < kSessions; ++i) {
      users_.push_back(create(config));
      users_.back()->add_route(route_);
    }
  }

  // kSessionsAtOnce on their way at a time; each is up when its first message is answered.
  void connect() {
    std::vector<NetworkingMessages*> waiting;
    std::size_t dialled = 0;
    const double begin = now_s();
    while (dialled < users_.size() || !waiting.empty()) {
      if (now_s() > begin + 10) fail("not all sessions came up");
      for (; dialled < users_.size() && waiting.size() < kSessionsAtOnce; ++dialled) {
        waiting.push_back(users_[dialled].get());
        send(*waiting.back(), route_.identity, kSmallBytes, kSendReliable);
      }
      std::erase_if(waiting, [](NetworkingMessages* user) {
        Message message;
        user->poll();
        return user->receive_messages_on_channel(kChannel, {&message, 1}) == 1;
      });
    }
  }

 private:
  Route route_;
  std::vector<Net> users_;
};

void connect_burst(const Arguments& arguments) {
  Crowd crowd(arguments.port);
  const double begin = now_s(), begin_cpu = cpu_s();
  crowd.connect();
  print_result({{"per_s", kSessions / (now_s() - begin)}, {"cpu_s", cpu_s() - begin_cpu}});
  std::_Exit(0);  // a thousand goodbyes are not part of it
}

void hold_idle(const Arguments& arguments) {
  Crowd crowd(arguments.port);
  crowd.connect();
  wait_for_harness(kSessions);
  std::_Exit(0);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  return run_part(start(argc, argv), serve,
                  {{"rtt_64B", ping_pong},
                   {"connect", connect_one_by_one},
                   {"crossed_connect", connect_crossed},
                   {"sessions", connect_burst},
                   {"idle", hold_idle}},
                  flood);
}
