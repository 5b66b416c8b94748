#include "io/udp_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cstring>
#include <vector>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace whimbrel {

namespace {

// Linux: UDP_MAX_SEGMENTS was 64 before 6.9 and is 128 since.
constexpr std::size_t kSegmentsMax = 64;
// Largest UDP payload over IPv4 (65535 - 20 - 8); IPv6 allows 20 more.
constexpr std::size_t kSuperDatagramMax = 65507;
constexpr std::size_t kReceiveBufferSize = 65536;
constexpr std::size_t kSendMessagesMax = 64;

bool set_int(int descriptor, int level, int option, int value) {
  return setsockopt(descriptor, level, option, &value, sizeof value) == 0;
}

// Beyond net.core.[rw]mem_max where we may, up to it where not.
void set_buffer(int descriptor, int forced, int plain, int bytes) {
  if (!set_int(descriptor, SOL_SOCKET, forced, bytes))
    set_int(descriptor, SOL_SOCKET, plain, bytes);
}

// Asks the kernel to cut what the header sends. Its control area holds one value.
void set_segment_size(msghdr& header, std::size_t segment_size) {
  cmsghdr* segment = CMSG_FIRSTHDR(&header);
  segment->cmsg_level = SOL_UDP;
  segment->cmsg_type = UDP_SEGMENT;
  segment->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
  const auto size = static_cast<std::uint16_t>(segment_size);
  std::memcpy(CMSG_DATA(segment), &size, sizeof size);
}

std::string bind_error(const IpAddress& address, int error) {
  std::string text = "cannot bind UDP " + address.text();
  if (address.port == 0) text += " (any port)";
  text += ": " + std::string(std::strerror(error));
  switch (error) {
    case EADDRINUSE:
      return text + ". Another program has this port: choose another one, or 0 for any";
    case EACCES:
      return text + ". Ports below 1024 need privileges: choose a higher one";
    case EADDRNOTAVAIL:
      return text + ". No interface of this machine has this address";
    case EAFNOSUPPORT:
      return text + ". This machine has no such address family: leave its bind address empty";
    default:
      return text;
  }
}

}  // namespace

SocketAddress to_socket_address(const IpAddress& address, bool v4) {
  SocketAddress out;
  if (v4) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(address.port);
    std::memcpy(&in.sin_addr, address.bytes.data() + 12, 4);
    std::memcpy(&out.storage, &in, sizeof in);
    out.size = sizeof in;
  } else {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(address.port);
    std::memcpy(&in.sin6_addr, address.bytes.data(), 16);
    std::memcpy(&out.storage, &in, sizeof in);
    out.size = sizeof in;
  }
  return out;
}

IpAddress from_socket_address(const sockaddr_storage& storage) {
  IpAddress address;
  if (storage.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &storage, sizeof in);
    address = IpAddress::v4(0, 0, 0, 0, ntohs(in.sin_port));
    std::memcpy(address.bytes.data() + 12, &in.sin_addr, 4);
  } else if (storage.ss_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &storage, sizeof in);
    address.port = ntohs(in.sin6_port);
    std::memcpy(address.bytes.data(), &in.sin6_addr, 16);
  }
  return address;
}

// Memory for one recvmmsg(): with GRO every message may fill 64 KiB. Pages that small packets do not reach are never
// touched.
struct UdpSocket::ReceiveBuffers {
  struct Control {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> bytes;
  };

  ReceiveBuffers() : memory(new std::uint8_t[kBatchesMax * kReceiveBufferSize]) {
    for (std::size_t i = 0; i < kBatchesMax; ++i) {
      vectors[i] = {memory.get() + i * kReceiveBufferSize, kReceiveBufferSize};
      messages[i] = {};
      messages[i].msg_hdr.msg_name = &names[i];
      messages[i].msg_hdr.msg_iov = &vectors[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
  }
  // What the kernel overwrote.
  void reset(std::size_t used, bool gro) {
    for (std::size_t i = 0; i < used; ++i) {
      messages[i].msg_hdr.msg_namelen = sizeof names[i];
      messages[i].msg_hdr.msg_control = gro ? controls[i].bytes.data() : nullptr;
      messages[i].msg_hdr.msg_controllen = gro ? controls[i].bytes.size() : 0;
      messages[i].msg_hdr.msg_flags = 0;
    }
  }

  std::unique_ptr<std::uint8_t[]> memory;
  std::array<mmsghdr, kBatchesMax> messages;
  std::array<iovec, kBatchesMax> vectors;
  std::array<sockaddr_storage, kBatchesMax> names;
  std::array<Control, kBatchesMax> controls;
  std::array<Batch, kBatchesMax> batches;
  std::size_t dirty = kBatchesMax;  // headers that the last call may have changed
};

namespace {

// UDP_GRO says how the kernel joined datagrams; without it there is one.
std::size_t gro_segment_size(msghdr& header, std::size_t received) {
  for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr;
       control = CMSG_NXTHDR(&header, control)) {
    if (control->cmsg_level != SOL_UDP || control->cmsg_type != UDP_GRO) continue;
    int size = 0;
    std::memcpy(&size, CMSG_DATA(control), sizeof size);
    if (size > 0) return static_cast<std::size_t>(size);
  }
  return received;
}

}  // namespace

UdpSocket::UdpSocket(FileDescriptor descriptor, bool v4, const Settings& settings)
    : descriptor_(std::move(descriptor)), v4_(v4), buffers_(std::make_unique<ReceiveBuffers>()) {
  set_options(settings);
}

UdpSocket::~UdpSocket() = default;

void UdpSocket::set_options(const Settings& settings) {
  const int fd = descriptor_.get();
  set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, settings.buffer_bytes);
  set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, settings.buffer_bytes);
  // RFC 8899 3 (4): probes must not be fragmented. PROBE also ignores the MTU that the kernel remembers from ICMP, which
  // anybody may send.
  if (v4_) {
    set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  } else {
    set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
  }
  if (!settings.offload) return;
  int segment = 0;
  socklen_t size = sizeof segment;
  gso_ = getsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, &size) == 0;
  gro_ = set_int(fd, SOL_UDP, UDP_GRO, 1);
}

bool UdpSocket::family_available(bool v4) {
  const FileDescriptor probe(socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!probe.valid()) return false;
  if (v4) return true;
  // Switched off by sysctl: the socket can be made, but not bound.
  IpAddress any;
  const SocketAddress name = to_socket_address(any, false);
  return ::bind(probe.get(), reinterpret_cast<const sockaddr*>(&name.storage), name.size) == 0;
}

Expected<std::unique_ptr<UdpSocket>> UdpSocket::bind(const IpAddress& address,
                                                     const Settings& settings) {
  const bool v4 = address.is_v4();
  FileDescriptor descriptor(
      socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!descriptor.valid()) return Error{bind_error(address, errno)};
  const int fd = descriptor.get();
  if (!v4) set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (settings.share_port) set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  const SocketAddress name = to_socket_address(address, v4);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&name.storage), name.size) != 0) {
    return Error{bind_error(address, errno)};
  }
  std::unique_ptr<UdpSocket> bound(new UdpSocket(std::move(descriptor), v4, settings));
  sockaddr_storage local{};
  socklen_t size = sizeof local;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) != 0) {
    return Error{bind_error(address, errno)};
  }
  bound->local_ = from_socket_address(local);
  return bound;
}

std::size_t UdpSocket::send(const IpAddress& to, Bytes batch, std::size_t segment_size) {
  ASSERT(segment_size > 0);
  const SocketAddress name = to_socket_address(to, v4_);
  if (gso_) return send_segmented(name, batch, segment_size);
  std::size_t refused = 0;
  return send_each(name, batch, segment_size, &refused);
}

std::size_t UdpSocket::send_segmented(const SocketAddress& to, Bytes batch,
                                      std::size_t segment_size) {
  const std::size_t count =
      std::clamp<std::size_t>(kSuperDatagramMax / segment_size, 1, kSegmentsMax);
  const std::size_t piece_max = count * segment_size;
  std::size_t sent = 0;
  while (sent < batch.size()) {
    const Bytes piece = batch.subspan(sent, std::min(piece_max, batch.size() - sent));
    int error = 0;
    const SendOutcome outcome = send_one(to, piece, segment_size, &error);
    if (outcome == SendOutcome::kBlocked) return sent;
    const bool joined = piece.size() > segment_size;
    if (outcome == SendOutcome::kRefused && joined &&
        (error == EIO || error == EINVAL || error == EMSGSIZE)) {
      // No checksum offload on the device (EIO), or segments over its MTU. If single datagrams pass, it was the joining.
      std::size_t refused = 0;
      const std::size_t done = send_each(to, piece, segment_size, &refused);
      if (refused == 0) gso_ = false;
      sent += done;
      if (done < piece.size()) return sent;
      continue;
    }
    if (outcome == SendOutcome::kRefused) {
      if (error == ENETUNREACH || error == EHOSTUNREACH || error == EADDRNOTAVAIL)
        ++stats_.unreachable;
      stats_.send_failed += (piece.size() + segment_size - 1) / segment_size;
    }
    sent += piece.size();
  }
  return sent;
}

UdpSocket::SendOutcome UdpSocket::send_one(const SocketAddress& to, Bytes bytes,
                                           std::size_t segment_size, int* error) {
  iovec vector{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(std::uint16_t))> control{};
  msghdr header{};
  header.msg_name = const_cast<sockaddr_storage*>(&to.storage);
  header.msg_namelen = to.size;
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  if (bytes.size() > segment_size) {
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    set_segment_size(header, segment_size);
  }
  for (;;) {
    ++stats_.send_calls;
    if (sendmsg(descriptor_.get(), &header, 0) >= 0) return SendOutcome::kSent;
    *error = errno;
    if (*error == EINTR) continue;
    if (*error != EAGAIN && *error != EWOULDBLOCK) return SendOutcome::kRefused;
    ++stats_.blocked;
    return SendOutcome::kBlocked;
  }
}

std::size_t UdpSocket::send_each(const SocketAddress& to, Bytes batch, std::size_t segment_size,
                                 std::size_t* refused) {
  std::array<mmsghdr, kSendMessagesMax> messages;
  std::array<iovec, kSendMessagesMax> vectors;
  std::size_t sent = 0;
  while (sent < batch.size()) {
    unsigned count = 0;
    for (std::size_t at = sent; at < batch.size() && count < kSendMessagesMax; ++count) {
      const std::size_t size = std::min(segment_size, batch.size() - at);
      vectors[count] = {const_cast<std::uint8_t*>(batch.data()) + at, size};
      messages[count] = {};
      messages[count].msg_hdr.msg_name = const_cast<sockaddr_storage*>(&to.storage);
      messages[count].msg_hdr.msg_namelen = to.size;
      messages[count].msg_hdr.msg_iov = &vectors[count];
      messages[count].msg_hdr.msg_iovlen = 1;
      at += size;
    }
    ++stats_.send_calls;
    const int done = sendmmsg(descriptor_.get(), messages.data(), count, 0);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      ++stats_.blocked;
      return sent;
    }
    if (done < 0) {
      ++*refused;
      ++stats_.send_failed;
    }
    const std::size_t passed = done < 0 ? 1 : static_cast<std::size_t>(done);
    sent = std::min(batch.size(), sent + passed * segment_size);
  }
  return sent;
}

namespace {

// One element of a sendmmsg().
struct SegmentedMessage {
  SocketAddress name;
  iovec vector{};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(std::uint16_t))> control{};

  void fill(const UdpSocket::Outgoing& out, bool v4, mmsghdr& message) {
    name = to_socket_address(out.to, v4);
    vector = {const_cast<std::uint8_t*>(out.bytes.data()), out.bytes.size()};
    message = {};
    msghdr& header = message.msg_hdr;
    header.msg_name = &name.storage;
    header.msg_namelen = name.size;
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    if (out.bytes.size() <= out.segment_size) return;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    set_segment_size(header, out.segment_size);
  }
};

}  // namespace

void UdpSocket::send_many(std::span<const Outgoing> all) {
  std::array<mmsghdr, kSendMessagesMax> messages;
  std::array<SegmentedMessage, kSendMessagesMax> parts;
  while (!all.empty()) {
    unsigned count = 0;
    while (count < kSendMessagesMax && count < all.size() &&
           (gso_ || all[count].bytes.size() <= all[count].segment_size)) {
      parts[count].fill(all[count], v4_, messages[count]);
      ++count;
    }
    int done = 0;
    if (count > 0) {
      ++stats_.send_calls;
      done = sendmmsg(descriptor_.get(), messages.data(), count, 0);
      if (done < 0 && errno == EINTR) continue;
      if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        ++stats_.blocked;
        stats_.send_failed += all.size();
        return;
      }
    }
    if (done > 0) {
      all = all.subspan(static_cast<std::size_t>(done));
      continue;
    }
    // The first one is refused as it is, or must be cut by hand: send() knows how.
    const std::size_t sent = send(all[0].to, all[0].bytes, all[0].segment_size);
    if (sent < all[0].bytes.size()) ++stats_.send_failed;
    all = all.subspan(1);
  }
}

std::span<UdpSocket::Batch> UdpSocket::receive() {
  ReceiveBuffers& buffers = *buffers_;
  buffers.reset(buffers.dirty, gro_);
  ++stats_.receive_calls;
  const int received = recvmmsg(descriptor_.get(), buffers.messages.data(),
                                static_cast<unsigned>(kBatchesMax), MSG_DONTWAIT, nullptr);
  // The kernel may have begun one more than it counts.
  buffers.dirty =
      std::min<std::size_t>(kBatchesMax, static_cast<std::size_t>(std::max(received, 0)) + 1);
  std::size_t count = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(std::max(received, 0)); ++i) {
    msghdr& header = buffers.messages[i].msg_hdr;
    if ((header.msg_flags & MSG_TRUNC) != 0) {
      ++stats_.truncated;
      continue;
    }
    const std::size_t size = buffers.messages[i].msg_len;
    Batch& batch = buffers.batches[count++];
    batch.from = from_socket_address(buffers.names[i]);
    batch.bytes = {static_cast<std::uint8_t*>(buffers.vectors[i].iov_base), size};
    batch.segment_size = gro_ ? gro_segment_size(header, size) : size;
  }
  return {buffers.batches.data(), count};
}

}  // namespace whimbrel
