#include "relay_end.h"

#include <fcntl.h>

#include "io/clock.h"
#include "relay/leg.h"
#include "relay_tickets.h"

namespace bench {
namespace {

using namespace whimbrel;
using relay::Leg;

const Clock& the_clock() {
  static const Clock clock;
  return clock;
}

class LegEnd final : public End {
 public:
  LegEnd(Random& random, std::uint64_t number) : End(nonblocking_socket()), leg(random) {
    ByteWriter(identity).u64(number);
  }

  std::size_t wrap(Bytes payload, MutableBytes out, Instant now) override {
    return leg.wrap(handle_, payload, out, now);
  }
  MutableBytes unwrap(MutableBytes datagram, Instant now) override {
    const auto received = leg.receive(datagram, now);
    return received ? received->payload : MutableBytes();
  }
  void tend(Instant now) override {
    leg.advance(now);
    std::array<std::uint8_t, relay::kOpenSizeMax> buffer;
    while (const std::size_t size = leg.poll_transmit(buffer, now))
      ::send(fd(), buffer.data(), size, 0);
    while (leg.poll_event()) continue;
  }
  // Outside the load: what has come, too.
  void pump() {
    std::array<std::uint8_t, 2048> buffer;
    ssize_t size = 0;
    while ((size = recv(fd(), buffer.data(), buffer.size(), 0)) > 0)
      leg.receive(MutableBytes(buffer).first(static_cast<std::size_t>(size)), bench_now());
    tend(bench_now());
  }
  // False: not yet.
  bool ready_for(const LegEnd& other) {
    const auto handle = leg.handle_of(other.leg.slot());
    handle_ = handle.value_or(0);
    return handle.has_value();
  }

  relay::IdentityHash identity{};
  Leg leg;

 private:
  std::uint16_t handle_ = 0;
};

template <typename Condition>
void pump_until(std::vector<LegEnd*>& ends, const Condition& condition, const char* otherwise) {
  const double limit = now_s() + 5;
  for (bool done = false; !done;) {
    done = true;
    for (std::size_t i = 0; i < ends.size(); ++i) {
      ends[i]->pump();
      done = condition(*ends[i], *ends[i ^ 1]) && done;
    }
    if (now_s() > limit) fail(otherwise);
    usleep(200);
  }
}

}  // namespace

Instant bench_now() { return the_clock().now(); }

int nonblocking_socket() {
  const int fd = new_socket(0);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  const sockaddr_in address = loopback(0);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("no port");
  return fd;
}

void connect_to(int fd, const sockaddr_in& to) {
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) fail("cannot connect");
}

sockaddr_in address_of(int fd) {
  sockaddr_in address = {};
  socklen_t size = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return address;
}

std::vector<EndPair> make_leg_pairs(std::size_t count, const Arguments& arguments) {
  // Legs keep a reference to its random generator for as long as they live: until the process ends.
  static Tickets tickets(arguments);
  static std::uint64_t number = 0;
  std::vector<EndPair> pairs;
  std::vector<LegEnd*> ends;
  for (std::size_t i = 0; i < 2 * count; ++i) {
    auto end = std::make_unique<LegEnd>(tickets.random(), ++number);
    connect_to(end->fd(), loopback(arguments.port));
    end->leg.open(tickets.make(end->identity), bench_now());
    ends.push_back(end.get());
    if (i % 2 == 0)
      pairs.emplace_back(std::move(end), nullptr);
    else
      pairs.back().second = std::move(end);
  }
  pump_until(
      ends, [](LegEnd& end, LegEnd&) { return end.leg.state() == Leg::State::kOpen; },
      "the relay opens no slot");
  for (std::size_t i = 0; i < ends.size(); ++i) {
    const auto grant = ends[i ^ 1]->leg.make_grant(ends[i]->identity, unix_now() / 1000 + 3600);
    ends[i]->leg.bind(grant, bench_now());
  }
  pump_until(
      ends, [](LegEnd& end, LegEnd& other) { return end.ready_for(other); },
      "the relay binds no grant");
  return pairs;
}

}  // namespace bench
