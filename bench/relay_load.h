// Load on a relay: pairs of clients that send to each other, in both directions at once.
//
// Datagrams leave and come by sendmmsg() and recvmmsg(), one UDP datagram each: no segmentation
// offload, for any rival.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "relay_end.h"

namespace bench {

// CPU time of another process, all its threads.
struct ServerCpu {
  double total = 0;             // s, to the nanosecond
  double user = 0, system = 0;  // s, in ticks of 10 ms
};
ServerCpu server_cpu(int pid);

class Load {
 public:
  struct Counts {
    std::uint64_t sent = 0, received = 0, lost = 0;
  };

  // `window`: packets of one direction that are on their way at a time.
  Load(std::vector<EndPair> pairs, std::size_t payload_bytes, std::uint32_t window);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // As much as the relay carries.
  void run(double seconds);
  // So many packets a second, all flows together.
  void run_paced(double seconds, double packets_per_second);
  const Counts& counts() const { return counts_; }

 private:
  static constexpr std::size_t kBatchMax = 32;
  // Flow i: what arrives at ends_[i], sent by its partner ends_[i ^ 1].
  struct Flow {
    std::uint32_t sent = 0, highest = 0;
    std::uint64_t received = 0;
    double progress_at = 0;
  };

  void receive(std::size_t flow);
  void send(std::size_t flow, std::size_t count);
  void refill(std::size_t flow);
  void wait_and_receive(int milliseconds);
  void look_after();
  std::uint32_t outstanding(const Flow& flow) const { return flow.sent - flow.highest; }

  std::vector<EndPair> pairs_;
  std::vector<End*> ends_;
  std::vector<Flow> flows_;
  std::vector<std::uint8_t> payload_;
  std::uint32_t window_;
  int epoll_;
  Counts counts_;
  double look_at_ = 0;
  std::size_t next_flow_ = 0;
  std::array<std::array<std::uint8_t, 1500>, kBatchMax> buffers_;
};

}  // namespace bench
