// Bare UDP: one blocking send and one blocking recv a datagram, no encryption, nothing sent again.
// The floor for round trips; for floods it says what the kernel charges without batches. "Bulk" is
// 1200-byte datagrams.
#include "sockets.h"

namespace bench {
namespace {

constexpr std::uint64_t kWindowDatagrams = 800;
constexpr std::uint64_t kCreditEvery = 100;

std::size_t datagram_bytes(const std::string& row) {
  return row == "unreliable_64B" || row == "rtt_64B" ? kSmallBytes : kFullBytes;
}

void serve(const Arguments& arguments) {
  const int fd = server_socket(arguments.port);
  const bool echoes = arguments.row == "rtt_64B";
  Meter meter(arguments.seconds);
  ReceiverWindow window(fd, kCreditEvery);
  std::vector<std::uint8_t> buffer(2048);
  say_ready();
  while (!stopped()) {
    sockaddr_in from;
    socklen_t from_size = sizeof from;
    const ssize_t size = recvfrom(fd, buffer.data(), buffer.size(), 0,
                                  reinterpret_cast<sockaddr*>(&from), &from_size);
    if (size < 0) continue;
    if (echoes) {
      sendto(fd, buffer.data(), static_cast<std::size_t>(size), 0,
             reinterpret_cast<sockaddr*>(&from), from_size);
    } else {
      meter.add(1, static_cast<std::uint64_t>(size));
      window.received(1, from);
    }
  }
  if (!echoes) meter.print();
}

void flood(const Arguments& arguments) {
  const int fd = client_socket(arguments.port);
  const std::vector<std::uint8_t> datagram(datagram_bytes(arguments.row), 0x5a);
  SenderWindow window(fd, kWindowDatagrams);
  Meter meter(arguments.seconds);
  while (!meter.sender_done()) {
    window.make_room(1);
    if (send(fd, datagram.data(), datagram.size(), 0) < 0) continue;
    meter.tick();
  }
  meter.print();
}

void ping_pong(const Arguments& arguments) {
  const int fd = client_socket(arguments.port);
  std::vector<std::uint8_t> buffer(kSmallBytes, 0x5a);
  std::vector<double> times;
  const double begin = now_s();
  const double end = begin + kWarmUpSeconds + arguments.seconds;
  for (double sent_at = begin; sent_at < end;) {
    if (send(fd, buffer.data(), kSmallBytes, 0) < 0) fail("cannot send");
    const bool answered = recv(fd, buffer.data(), buffer.size(), 0) > 0;
    const double now = now_s();
    if (answered && sent_at > begin + kWarmUpSeconds) times.push_back(now - sent_at);
    sent_at = now;
  }
  print_times(std::move(times));
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::run_part(bench::start(argc, argv), bench::serve, {{"rtt_64B", bench::ping_pong}},
                         bench::flood);
}
