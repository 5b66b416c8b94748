// A bad network for tests, between the endpoint and the sockets: loss, lag, reordering, duplicates
// and a rate limit, each way on its own (the Fake... options). Sans-I/O: `now` and randomness are
// handed in.
//
// Nothing in it is on the way of packets while no such option is set.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/ip_address.h"
#include "base/random.h"
#include "base/time.h"

namespace whimbrel {

struct FakeLinkSettings {
  int loss_percent = 0;
  Duration lag{0};
  int reorder_percent = 0;         // these packets
  Duration reorder_time{0};        // are held back so much longer
  int duplicate_percent = 0;       // these packets come twice, the second time
  Duration duplicate_time_max{0};  // up to so much later
  std::uint64_t rate = 0;          // bytes/s, 0 = unlimited

  bool active() const {
    return loss_percent > 0 || lag > Duration(0) || reorder_percent > 0 || duplicate_percent > 0 ||
           rate > 0;
  }
};

// One direction. Not thread-safe.
class FakeLink {
 public:
  // Bytes that may be under way; over it a packet is lost, as in any full queue.
  static constexpr std::size_t kQueuedBytesMax = 32 << 20;
  // With a rate limit: a packet that would wait longer is lost.
  static constexpr Duration kRateQueueMax = milliseconds(500);

  struct Datagram {
    IpAddress address;
    std::vector<std::uint8_t> bytes;
  };

  explicit FakeLink(Random& random) : random_(random) {}

  void configure(const FakeLinkSettings& settings) { settings_ = settings; }
  // Packets must pass through here: something is set, or packets from before are still under way.
  bool active() const { return settings_.active() || !queue_.empty(); }

  // Packets are under way.
  bool busy() const { return !queue_.empty(); }

  // Takes a copy, or loses it.
  void push(const IpAddress& address, Bytes datagram, Instant now);
  // The next datagram that has arrived by `now`.
  std::optional<Datagram> pop(Instant now);
  // When pop() has something; kNever if nothing is under way.
  Instant next_deadline() const { return queue_.empty() ? kNever : queue_.begin()->first; }

 private:
  bool chance(int percent) { return percent > 0 && random_.chance(percent / 100.0); }
  void enqueue(const IpAddress& address, Bytes datagram, Instant due);

  Random& random_;
  FakeLinkSettings settings_;
  // Equal keys stay in the order of insertion.
  std::multimap<Instant, Datagram> queue_;
  std::size_t queued_bytes_ = 0;
  Instant line_free_;
};

}  // namespace whimbrel
