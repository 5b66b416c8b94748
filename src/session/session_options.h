// Options of a session, with their defaults. Values are checked where they come in
// (whimbrel/config.h).
#pragma once

#include <cstdint>

#include "base/time.h"
#include "wire/packet.h"

namespace whimbrel {

struct SessionOptions {
  Duration timeout_initial = seconds(10);    // for accept
  Duration timeout_connected = seconds(10);  // without any answer
  Duration idle_timeout = seconds(180);      // without a message, either way
  Duration linger = seconds(1);              // reliable data after close
  // On a quiet line, and at most half of timeout_connected; zero: none, for sessions whose users
  // ask often enough.
  Duration keep_alive = seconds(15);
  Duration nagle_max = milliseconds(5);  // coalescing when the line is busy
  Duration unreliable_age_max =
      milliseconds(500);                  // that an unreliable message may wait; 0: for ever
  std::uint64_t send_bytes_max = 524288;  // payload taken and not released
  std::uint64_t receive_bytes_max = 1 << 20;
  std::uint64_t receive_messages_max = 1000;
  std::uint64_t send_rate_min = 0;  // bytes/s, 0 = the controller decides
  std::uint64_t send_rate_max = 0;
  std::size_t datagram_size_max = kDatagramSizeEthernet;

  bool drops_old() const { return unreliable_age_max > Duration::zero(); }
};

}  // namespace whimbrel
