// Datagrams that are to leave, where they lie: those to one address that lie side by side and have
// one size leave in one piece.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ip_address.h"
#include "io/udp_socket.h"

namespace whimbrel {

class ForwardRuns {
 public:
  // What one message to the kernel may hold.
  static constexpr std::size_t kSegmentsMax = 64;
  static constexpr std::size_t kBytesMax = 65507;

  // Not empty; stays where it is until the runs were sent.
  void add(const IpAddress& to, Bytes datagram) {
    if (!joins(to, datagram)) {
      runs_.push_back({to, datagram, datagram.size()});
      segments_ = 1;
      return;
    }
    UdpSocket::Outgoing& run = runs_.back();
    run.bytes = Bytes(run.bytes.data(), run.bytes.size() + datagram.size());
    // A shorter one ends its run.
    segments_ = datagram.size() == run.segment_size ? segments_ + 1 : kSegmentsMax;
  }
  // Several of one size, but for the last.
  void add_batch(const UdpSocket::Outgoing& batch) {
    runs_.push_back(batch);
    segments_ = kSegmentsMax;
  }
  const std::vector<UdpSocket::Outgoing>& runs() const { return runs_; }
  std::vector<UdpSocket::Outgoing>& runs() { return runs_; }
  void clear() { runs_.clear(); }

 private:
  bool joins(const IpAddress& to, Bytes datagram) const {
    if (runs_.empty()) return false;
    const UdpSocket::Outgoing& run = runs_.back();
    return segments_ < kSegmentsMax && run.bytes.data() + run.bytes.size() == datagram.data() &&
           datagram.size() <= run.segment_size && run.bytes.size() + datagram.size() <= kBytesMax &&
           run.to == to;
  }

  std::vector<UdpSocket::Outgoing> runs_;
  std::size_t segments_ = 0;  // of the last run
};

}  // namespace whimbrel
