// One client of a relay, as the load generator sees it: Whimbrel's own relay and TURN look the same
// from here.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "sockets.h"

namespace bench {

using whimbrel::Bytes;
using whimbrel::Instant;
using whimbrel::MutableBytes;

// A packet's largest header, of any relay.
inline constexpr std::size_t kRelayHeaderMax = 64;

class End {
 public:
  explicit End(int fd) : fd_(fd) {}
  End(const End&) = delete;
  End& operator=(const End&) = delete;
  virtual ~End() { close(fd_); }

  // Non-blocking, connected to where packets go.
  int fd() const { return fd_; }
  // Writes the packet that brings `payload` to the other end; its size.
  virtual std::size_t wrap(Bytes payload, MutableBytes out, Instant now) = 0;
  // What a datagram brings from the other end; empty: nothing.
  virtual MutableBytes unwrap(MutableBytes datagram, Instant now) = 0;
  // Now and then: what keeps it alive.
  virtual void tend(Instant) {}

 private:
  int fd_;
};

using EndPair = std::pair<std::unique_ptr<End>, std::unique_ptr<End>>;

// The time that legs are told.
Instant bench_now();
// Non-blocking, on 127.0.0.1.
int nonblocking_socket();
void connect_to(int fd, const sockaddr_in& to);
sockaddr_in address_of(int fd);

// Pairs that can send to each other. They fail() if the server does not answer.
//
// Of whimbreld, whose state folder has the key of its tickets.
std::vector<EndPair> make_leg_pairs(std::size_t count, const Arguments& arguments);
// Of a TURN server. Both ends have an allocation and a channel to the other's relayed address; or
// (`plain`) the second is a peer without a server, as RFC 8656 calls it.
std::vector<EndPair> make_turn_pairs(std::size_t count, bool plain, const Arguments& arguments);
// Allocations alone, one after the other.
std::vector<std::unique_ptr<End>> make_turn_ends(std::size_t count, const Arguments& arguments);
// No relay: two sockets.
EndPair make_direct_pair();

}  // namespace bench
