// A rendezvous of another process: how long signals take, what a session costs it, and how soon
// strangers who know only each other's names can talk.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <whimbrel/networking_messages.h>

#include <atomic>
#include <thread>

#include "control_client.h"
#include "rendezvous_rows.h"

namespace bench {
namespace {

using namespace whimbrel;

constexpr std::size_t kClients = 1000;
constexpr std::size_t kLoginsAtOnce = 32;
constexpr std::size_t kBackgroundClients = 20;
constexpr double kBackgroundSignals = 1000;  // a second, all together
constexpr double kBetweenSignals = 0.001;
constexpr int kTries = 50;

const Clock& the_clock() {
  static const Clock clock;
  return clock;
}

using Clients = std::vector<std::unique_ptr<ControlClient>>;

std::string name_of(std::string_view kind, std::size_t i) {
  return "str:" + std::string(kind) + std::to_string(i);
}

Clients log_in(std::string_view kind, std::size_t count, std::uint16_t port) {
  Clients clients;
  std::vector<ControlClient*> waiting;
  for (const double limit = now_s() + 20; clients.size() < count || !waiting.empty();) {
    if (now_s() > limit) fail("not all clients got in");
    while (clients.size() < count && waiting.size() < kLoginsAtOnce) {
      clients.push_back(
          std::make_unique<ControlClient>(the_clock(), name_of(kind, clients.size()), port));
      waiting.push_back(clients.back().get());
      waiting.back()->log_in();
    }
    std::erase_if(waiting, [](ControlClient* client) {
      client->step();
      return client->online();
    });
  }
  return clients;
}

// Signals by turns from each of some clients to the next, until told to stop.
class Background {
 public:
  Background(std::uint16_t port, double per_second)
      : clients_(log_in("crowd", kBackgroundClients, port)), thread_([this, per_second] {
          prctl(PR_SET_TIMERSLACK, 1'000UL);
          const double begin = now_s();
          for (std::size_t sent = 0; !done_;) {
            usleep(500);
            for (; static_cast<double>(sent) < (now_s() - begin) * per_second; ++sent)
              clients_[sent % kBackgroundClients]->signal(
                  *Identity::parse(name_of("crowd", (sent + 1) % kBackgroundClients)));
            for (auto& client : clients_) {
              client->step();
              delivered_ += client->take_signals();
            }
          }
          seconds_ = now_s() - begin;
        }) {}
  // Delivered a second.
  double stop() {
    done_ = true;
    thread_.join();
    return static_cast<double>(delivered_) / seconds_;
  }

 private:
  Clients clients_;
  std::atomic<bool> done_{false};
  std::size_t delivered_ = 0;
  double seconds_ = 1;
  std::thread thread_;
};

// Between two clients, each with its own thread: there and back; half of it.
std::vector<double> signal_times(std::string_view kind, std::uint16_t port, double seconds) {
  Clients two = log_in(kind, 2, port);
  std::atomic<bool> done{false};
  std::thread answers([&] {
    while (!done) {
      two[1]->wait(10);
      if (two[1]->take_signals() > 0) two[1]->signal(two[1]->caller());
    }
  });
  const Identity other = *Identity::parse(name_of(kind, 1));
  std::vector<double> times;
  for (const double end = now_s() + seconds; now_s() < end;) {
    const double begin = now_s();
    two[0]->signal(other);
    while (two[0]->take_signals() == 0 && now_s() < begin + 1) two[0]->wait(10);
    times.push_back((now_s() - begin) / 2);
    for (const double next = now_s() + kBetweenSignals; now_s() < next;) two[0]->wait(1);
  }
  done = true;
  answers.join();
  std::sort(times.begin(), times.end());
  return times;
}

double milliseconds_at(const std::vector<double>& sorted, double share) {
  return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))] * 1e3;
}

void measure_signals(const Arguments& arguments) {
  const std::vector<double> idle = signal_times("idle", arguments.port, arguments.seconds / 2);
  Background background(arguments.port, kBackgroundSignals);
  const std::vector<double> busy = signal_times("busy", arguments.port, arguments.seconds / 2);
  const double rate = background.stop();
  print_result({{"count", static_cast<double>(idle.size() + busy.size())},
                {"idle_p50_ms", milliseconds_at(idle, 0.5)},
                {"idle_p99_ms", milliseconds_at(idle, 0.99)},
                {"busy_p50_ms", milliseconds_at(busy, 0.5)},
                {"busy_p99_ms", milliseconds_at(busy, 0.99)},
                {"background_per_s", rate}});
}

void hold_sessions(const Arguments& arguments) {
  rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  const Clients clients = log_in("holder", kClients, arguments.port);
  wait_for_harness(kClients);
  std::_Exit(0);  // without a thousand goodbyes
}

// --- strangers -----------------------------------------------------------------------------------

void await_relay(NetworkingMessages& net) {
  for (const double limit = now_s() + 5;;) {
    const ServerStatus status = net.get_server_status();
    if (status.state == ServerStatus::State::kOnline && status.relay) return;
    if (now_s() > limit) fail(status.text.c_str());
    usleep(1000);
  }
}

// From the first send to the arrival at somebody who has never heard of the sender, and lets him in
// at once.
double first_message(int number, std::uint16_t port, int& relayed) {
  const auto a = player(name_of("caller", static_cast<std::size_t>(number)), port);
  const auto b = player(name_of("callee", static_cast<std::size_t>(number)), port);
  b->on_session_request([&](const Identity& user) { b->accept_session_with_user(user); });
  await_relay(*a);
  await_relay(*b);
  const double begin = now_s();
  a->send_message_to_user(b->identity(), "hello", kSendReliable, 0);
  Message message;
  while (b->receive_messages_on_channel(0, {&message, 1}) == 0) {
    if (now_s() > begin + 5) fail("the message did not arrive");
    b->wait(std::chrono::milliseconds(100));
    b->run_callbacks();
  }
  const double time = now_s() - begin;
  ConnectionInfo info;
  a->get_session_connection_info(b->identity(), &info, nullptr);
  relayed += (info.flags & kInfoRelayed) != 0;
  return time;
}

void meet_strangers(const Arguments& arguments) {
  std::vector<double> times;
  int relayed = 0;
  for (int i = 0; i < kTries; ++i) times.push_back(first_message(i, arguments.port, relayed));
  std::sort(times.begin(), times.end());
  print_result({{"count", kTries},
                {"relayed", static_cast<double>(relayed)},
                {"p50_ms", milliseconds_at(times, 0.5)},
                {"p99_ms", milliseconds_at(times, 0.99)}});
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  return run_part(
      start(argc, argv), measure_signals,
      {{"sessions", hold_sessions}, {"first_message", meet_strangers}, {"returns", hold_users}},
      measure_signals);
}
