// How many slots a relay opens a second, and what each costs the server; TURN allocations beside
// them.
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>

#include <thread>

#include "relay_rows.h"
#include "relay_tickets.h"

namespace bench {
namespace {

using namespace whimbrel;
using relay::Leg;

constexpr std::size_t kOpens = 6000;
constexpr std::size_t kOpensAtOnce = 64;
constexpr std::size_t kAllocations = 640;  // fewer than the ports that a TURN server has for them
constexpr std::size_t kThreads = 16;       // of clients that allocate at once

class Opener {
 public:
  Opener(Tickets& tickets, std::uint64_t number, std::uint16_t port) : leg_(tickets.random()) {
    relay::IdentityHash identity{};
    ByteWriter(identity).u64(number);
    ticket_ = tickets.make(identity);
    fd_ = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    const sockaddr_in from = lone_address(number);
    if (fd_ < 0 || bind(fd_, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0)
      fail("no socket");
    connect_to(fd_, loopback(port));
  }
  Opener(const Opener&) = delete;
  ~Opener() { close(fd_); }

  int fd() const { return fd_; }
  void begin() {
    leg_.open(ticket_, bench_now());
    work();
  }
  // True once it is open, and the relay has been told so.
  bool work() {
    std::array<std::uint8_t, 2048> buffer;
    const Instant now = bench_now();
    ssize_t size = 0;
    while ((size = recv(fd_, buffer.data(), buffer.size(), 0)) > 0)
      leg_.receive(MutableBytes(buffer).first(static_cast<std::size_t>(size)), now);
    leg_.advance(now);
    while (const std::size_t out = leg_.poll_transmit(buffer, now))
      ::send(fd_, buffer.data(), out, 0);
    return leg_.state() == Leg::State::kOpen;
  }

 private:
  Leg leg_;
  relay::Ticket ticket_;
  int fd_;
};

void open_all(std::vector<std::unique_ptr<Opener>>& openers) {
  std::vector<Opener*> waiting;
  std::vector<pollfd> readable;
  std::size_t begun = 0;
  const double limit = now_s() + 10;
  while (begun < openers.size() || !waiting.empty()) {
    if (now_s() > limit) fail("not all slots were opened");
    for (; begun < openers.size() && waiting.size() < kOpensAtOnce; ++begun) {
      waiting.push_back(openers[begun].get());
      waiting.back()->begin();
    }
    readable.clear();
    for (const Opener* opener : waiting) readable.push_back({opener->fd(), POLLIN, 0});
    poll(readable.data(), readable.size(), 5);
    std::erase_if(waiting, [](Opener* opener) { return opener->work(); });
  }
}

std::size_t open_slots(const Arguments& arguments, double& seconds, ServerCpu& before) {
  rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  static Tickets tickets(arguments);
  std::vector<std::unique_ptr<Opener>> openers;
  const std::size_t count = std::min<std::size_t>(kOpens, files.rlim_cur - 100);
  for (std::size_t i = 0; i < count; ++i)
    openers.push_back(std::make_unique<Opener>(tickets, i, arguments.port));
  before = server_cpu(arguments.pid);
  const double begin = now_s();
  open_all(openers);
  seconds = now_s() - begin;
  return openers.size();
}

std::size_t allocate(const Arguments& arguments, double& seconds, ServerCpu& before) {
  before = server_cpu(arguments.pid);
  const double begin = now_s();
  std::vector<std::vector<std::unique_ptr<End>>> ends(kThreads);
  std::vector<std::thread> threads;
  for (auto& some : ends)
    threads.emplace_back([&] { some = make_turn_ends(kAllocations / kThreads, arguments); });
  for (std::thread& thread : threads) thread.join();
  seconds = now_s() - begin;
  return kAllocations;
}

}  // namespace

void measure_opens(const Arguments& arguments) {
  double seconds = 0;
  ServerCpu before;
  const bool ours = arguments.row.starts_with("leg_");
  const auto opens = static_cast<double>(ours ? open_slots(arguments, seconds, before)
                                              : allocate(arguments, seconds, before));
  const double cpu = server_cpu(arguments.pid).total - before.total;
  print_result({{"opens", opens}, {"seconds", seconds}, {"server_cpu_s", cpu}});
}

}  // namespace bench
