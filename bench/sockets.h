// Bare UDP sockets on loopback, for the rivals that have nothing else.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "measure.h"

namespace bench {

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

inline int new_socket(long receive_timeout_us) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) fail("no socket");
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kSocketBufferBytes, sizeof kSocketBufferBytes);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kSocketBufferBytes, sizeof kSocketBufferBytes);
  const timeval timeout = {0, receive_timeout_us};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  return fd;
}

// Wakes up every 100 ms to see whether it shall stop.
inline int server_socket(std::uint16_t port) {
  const int fd = new_socket(100'000);
  const sockaddr_in address = loopback(port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    fail("port in use");
  return fd;
}

inline int client_socket(std::uint16_t port) {
  const int fd = new_socket(20'000);
  const sockaddr_in address = loopback(port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    fail("cannot connect");
  return fd;
}

// Keeps a flood of datagrams lossless: the receiver says every now and then how many have come.
class SenderWindow {
 public:
  SenderWindow(int fd, std::uint64_t datagrams_max) : fd_(fd), max_(datagrams_max) {}

  // Waits until `count` more may leave.
  void make_room(std::uint64_t count) {
    while (sent_ + count - credited_ > max_) {
      std::uint64_t received = 0;
      if (recv(fd_, &received, sizeof received, 0) == sizeof received)
        credited_ = std::max(credited_, received + lost_);
      else
        forgive();
    }
    sent_ += count;
  }

 private:
  // No word for a while: something was lost, or this is the receiver's slow start.
  void forgive() {
    lost_ += sent_ - credited_;
    credited_ = sent_;
  }

  int fd_;
  std::uint64_t max_;
  std::uint64_t sent_ = 0, credited_ = 0, lost_ = 0;
};

class ReceiverWindow {
 public:
  ReceiverWindow(int fd, std::uint64_t every) : fd_(fd), every_(every) {}

  void received(std::uint64_t count, const sockaddr_in& from) {
    received_ += count;
    if (received_ - said_ < every_) return;
    said_ = received_;
    sendto(fd_, &received_, sizeof received_, 0, reinterpret_cast<const sockaddr*>(&from),
           sizeof from);
  }

 private:
  int fd_;
  std::uint64_t every_;
  std::uint64_t received_ = 0, said_ = 0;
};

}  // namespace bench
