// A non-blocking UDP socket that moves batches: UDP_SEGMENT out, recvmmsg with UDP_GRO in, and
// plain calls where the kernel or the device refuses those. One system call for 64 KiB instead of
// one for each packet is most of our speed.
//
// Not thread-safe. ICMP errors are not asked for: a peer that is gone is noticed by its silence.
#pragma once

#include <sys/socket.h>

#include <functional>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/expected.h"
#include "base/ip_address.h"
#include "io/file_descriptor.h"
#include "io/reply_sources.h"

namespace whimbrel {

// An IpAddress as the kernel wants it, of the family that a socket has.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};
// `v4`: the socket is an IPv4 one. The address must be of that family.
SocketAddress to_socket_address(const IpAddress& address, bool v4);
IpAddress from_socket_address(const sockaddr_storage& storage);

struct UdpSocketStats {
  std::uint64_t send_calls = 0;
  std::uint64_t receive_calls = 0;
  std::uint64_t blocked = 0;  // the kernel's buffer was full
  std::uint64_t send_failed =
      0;  // datagrams that the kernel refused (no route, too large, no memory)
  std::uint64_t unreachable = 0;  // of these: calls for which there is no route
  std::uint64_t truncated = 0;    // datagrams larger than 64 KiB
};

class UdpSocket {
 public:
  struct Settings {
    bool offload = true;  // GSO and GRO
    int buffer_bytes = 4 << 20;
    bool share_port = false;  // with sockets of this user that have the same option
    // Bound to all addresses: what goes to a peer leaves from the address at which that peer
    // reached us. For servers. Who dials leaves the choice to the kernel, whose routes may change.
    bool answer_from_reached = false;
  };
  // `from` sent `size` bytes, cut every `segment_size` bytes; the last piece may be shorter. Valid
  // until the next call of receive(), and may be written to.
  struct Batch {
    IpAddress from;
    MutableBytes bytes;
    std::size_t segment_size = 0;
  };

  ~UdpSocket();

  // Binds. The error names the address and what to do.
  static Expected<std::unique_ptr<UdpSocket>> bind(const IpAddress& address,
                                                   const Settings& settings);
  // No such address family on this machine: bind() can't work.
  static bool family_available(bool v4);

  int descriptor() const { return descriptor_.get(); }
  bool is_v4() const { return v4_; }
  // With the port that the kernel chose.
  const IpAddress& local_address() const { return local_; }

  // Sends a batch, cut every `segment_size` bytes. Answers how many bytes were dealt with (a
  // multiple of segment_size, or all): fewer than all when the kernel's buffer is full; then wait
  // for writability and send the rest. A datagram that the kernel refuses counts as dealt with: UDP
  // may lose.
  std::size_t send(const IpAddress& to, Bytes batch, std::size_t segment_size);

  // Batches to several addresses of the socket's family, with as few system calls as it takes.
  // Answers those for which the kernel has no room: they are to be sent again when the socket is
  // writable, the first one from where it was cut. One that the kernel refuses is dealt with, as in
  // send(), and the others leave all the same.
  struct Outgoing {
    IpAddress to;
    Bytes bytes;
    std::size_t segment_size = 0;
    bool unreachable = false;  // set by send_many(): the system has no way to `to`
  };
  std::span<Outgoing> send_many(std::span<Outgoing> all);
  // For forwarding: what the kernel has no room for is counted and lost.
  void send_or_lose(std::span<Outgoing> all);

  // Receives up to kBatchesMax batches. Fewer: the socket is empty.
  static constexpr std::size_t kBatchesMax = 16;
  std::span<Batch> receive();

  // In a child process, where it cannot be used any more.
  void close_descriptor() { descriptor_ = FileDescriptor(); }

  const UdpSocketStats& stats() const { return stats_; }
  bool segmentation_offload() const { return gso_; }
  bool receive_offload() const { return gro_; }

 private:
  struct ReceiveBuffers;
  struct SendBuffers;
  enum class SendOutcome : std::uint8_t { kSent, kBlocked, kRefused };

  UdpSocket(FileDescriptor descriptor, bool v4, const Settings& settings);
  void set_options(const Settings& settings);
  // Where something goes, and which address of ours it leaves from; null: the kernel chooses.
  struct Way {
    const IpAddress& to;
    SocketAddress name;
    const IpAddress* from = nullptr;
  };
  Way way_to(const IpAddress& to) const;
  // The kernel refuses: true if that was for `from`, which it does not use any more then.
  bool give_up_source(Way& way, int error);
  std::size_t send_segmented(Way way, Bytes batch, std::size_t segment_size);
  std::size_t send_each(Way& way, Bytes batch, std::size_t segment_size, std::size_t* refused);
  SendOutcome send_one(Way& way, Bytes bytes, std::size_t segment_size, int* error);
  std::optional<std::size_t> send_together(std::span<const Outgoing> all);
  bool send_alone(Outgoing& one);
  void note_refused(int error, std::size_t datagrams);

  FileDescriptor descriptor_;
  bool v4_;
  bool gso_ = false;
  bool gro_ = false;
  IpAddress local_;
  std::unique_ptr<ReplySources> sources_;  // null: the kernel chooses
  UdpSocketStats stats_;
  std::unique_ptr<ReceiveBuffers> buffers_;
  std::unique_ptr<SendBuffers> send_buffers_;  // made by the first send_many() that needs them
};

}  // namespace whimbrel
