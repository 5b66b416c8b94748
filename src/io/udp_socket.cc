#include "io/udp_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "io/kernel.h"

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
  return kernel().setsockopt(descriptor, level, option, &value, sizeof value) == 0;
}

// Beyond net.core.[rw]mem_max where we may, up to it where not.
void set_buffer(int descriptor, int forced, int plain, int bytes) {
  if (!set_int(descriptor, SOL_SOCKET, forced, bytes))
    set_int(descriptor, SOL_SOCKET, plain, bytes);
}

// What the kernel is told beside the bytes: how to cut them, and which address they leave from.
class SendControl {
 public:
  // The header is to have no control area yet, and not to outlive this.
  void cut(msghdr& header, std::size_t segment_size) {
    add(header, SOL_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(segment_size));
  }
  void leave_from(msghdr& header, const IpAddress& local, bool v4) {
    if (v4) {
      in_pktinfo info{};
      std::memcpy(&info.ipi_spec_dst, local.bytes.data() + 12, 4);
      add(header, IPPROTO_IP, IP_PKTINFO, info);
    } else {
      in6_pktinfo info{};
      std::memcpy(&info.ipi6_addr, local.bytes.data(), 16);
      add(header, IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
  }

 private:
  template <typename Value>
  void add(msghdr& header, int level, int type, const Value& value) {
    cmsghdr message{};
    message.cmsg_level = level;
    message.cmsg_type = type;
    message.cmsg_len = CMSG_LEN(sizeof value);
    char* at = bytes_.data() + header.msg_controllen;
    std::memcpy(at, &message, sizeof message);
    std::memcpy(at + CMSG_LEN(0), &value, sizeof value);
    header.msg_control = bytes_.data();
    header.msg_controllen += CMSG_SPACE(sizeof value);
  }

  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(std::uint16_t)) +
                                        CMSG_SPACE(sizeof(in6_pktinfo))> bytes_{};
};

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

// Memory for one recvmmsg(): with GRO every message may fill 64 KiB. Pages that small packets do
// not reach are never touched.
struct UdpSocket::ReceiveBuffers {
  struct Control {
    alignas(
        cmsghdr) std::array<char, CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(in6_pktinfo))> bytes;
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
  void reset(std::size_t used, bool with_control) {
    for (std::size_t i = 0; i < used; ++i) {
      messages[i].msg_hdr.msg_namelen = sizeof names[i];
      messages[i].msg_hdr.msg_control = with_control ? controls[i].bytes.data() : nullptr;
      messages[i].msg_hdr.msg_controllen = with_control ? controls[i].bytes.size() : 0;
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

// The address of ours that it came to; none where that is nobody's alone.
std::optional<IpAddress> reached_address(msghdr& header) {
  IpAddress reached;
  for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr;
       control = CMSG_NXTHDR(&header, control)) {
    if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(control), sizeof info);
      reached = IpAddress::v4(0, 0, 0, 0, 0);
      std::memcpy(reached.bytes.data() + 12, &info.ipi_spec_dst, 4);
      return reached;
    }
    if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(control), sizeof info);
      if (IN6_IS_ADDR_MULTICAST(&info.ipi6_addr)) return std::nullopt;
      std::memcpy(reached.bytes.data(), &info.ipi6_addr, 16);
      return reached;
    }
  }
  return std::nullopt;
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
  // RFC 8899 3 (4): probes must not be fragmented. PROBE also ignores the MTU that the kernel
  // remembers from ICMP, which anybody may send.
  if (v4_) {
    set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  } else {
    set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
  }
  if (!settings.offload) return;
  int segment = 0;
  socklen_t size = sizeof segment;
  gso_ = kernel().getsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, &size) == 0;
  gro_ = set_int(fd, SOL_UDP, UDP_GRO, 1);
}

bool UdpSocket::family_available(bool v4) {
  const FileDescriptor probe(
      kernel().socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!probe.valid()) return false;
  if (v4) return true;
  // Switched off by sysctl: the socket can be made, but not bound.
  IpAddress any;
  const SocketAddress name = to_socket_address(any, false);
  return kernel().bind(probe.get(), reinterpret_cast<const sockaddr*>(&name.storage), name.size) ==
         0;
}

Expected<std::unique_ptr<UdpSocket>> UdpSocket::bind(const IpAddress& address,
                                                     const Settings& settings) {
  const bool v4 = address.is_v4();
  FileDescriptor descriptor(
      kernel().socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!descriptor.valid()) return Error{bind_error(address, errno)};
  const int fd = descriptor.get();
  if (!v4) set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (settings.share_port) set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  const SocketAddress name = to_socket_address(address, v4);
  if (kernel().bind(fd, reinterpret_cast<const sockaddr*>(&name.storage), name.size) != 0) {
    return Error{bind_error(address, errno)};
  }
  std::unique_ptr<UdpSocket> bound(new UdpSocket(std::move(descriptor), v4, settings));
  sockaddr_storage local{};
  socklen_t size = sizeof local;
  if (kernel().getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) != 0) {
    return Error{bind_error(address, errno)};
  }
  bound->local_ = from_socket_address(local);
  if (settings.answer_from_reached && bound->local_.is_unspecified() &&
      (v4 ? set_int(fd, IPPROTO_IP, IP_PKTINFO, 1)
          : set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1))) {
    bound->sources_ = std::make_unique<ReplySources>(v4);
  }
  return bound;
}

std::size_t UdpSocket::send(const IpAddress& to, Bytes batch, std::size_t segment_size) {
  ASSERT(segment_size > 0);
  Way way = way_to(to);
  if (gso_) return send_segmented(way, batch, segment_size);
  std::size_t refused = 0;
  return send_each(way, batch, segment_size, &refused);
}

UdpSocket::Way UdpSocket::way_to(const IpAddress& to) const {
  return {to, to_socket_address(to, v4_), sources_ ? sources_->find(to) : nullptr};
}

bool UdpSocket::give_up_source(Way& way, int error) {
  if (way.from == nullptr || (error != EINVAL && error != EADDRNOTAVAIL && error != ENETUNREACH &&
                              error != EHOSTUNREACH)) {
    return false;
  }
  sources_->forget(way.to);
  way.from = nullptr;
  return true;
}

std::size_t UdpSocket::send_segmented(Way way, Bytes batch, std::size_t segment_size) {
  const std::size_t count =
      std::clamp<std::size_t>(kSuperDatagramMax / segment_size, 1, kSegmentsMax);
  const std::size_t piece_max = count * segment_size;
  std::size_t sent = 0;
  while (sent < batch.size()) {
    const Bytes piece = batch.subspan(sent, std::min(piece_max, batch.size() - sent));
    int error = 0;
    const SendOutcome outcome = send_one(way, piece, segment_size, &error);
    if (outcome == SendOutcome::kBlocked) return sent;
    const bool joined = piece.size() > segment_size;
    if (outcome == SendOutcome::kRefused && joined &&
        (error == EIO || error == EINVAL || error == EMSGSIZE)) {
      // No checksum offload on the device (EIO), or segments over its MTU. If single datagrams
      // pass, it was the joining.
      std::size_t refused = 0;
      const std::size_t done = send_each(way, piece, segment_size, &refused);
      if (refused == 0) gso_ = false;
      sent += done;
      if (done < piece.size()) return sent;
      continue;
    }
    if (outcome == SendOutcome::kRefused)
      note_refused(error, (piece.size() + segment_size - 1) / segment_size);
    sent += piece.size();
  }
  return sent;
}

void UdpSocket::note_refused(int error, std::size_t datagrams) {
  if (error == ENETUNREACH || error == EHOSTUNREACH || error == EADDRNOTAVAIL) ++stats_.unreachable;
  stats_.send_failed += datagrams;
}

UdpSocket::SendOutcome UdpSocket::send_one(Way& way, Bytes bytes, std::size_t segment_size,
                                           int* error) {
  iovec vector{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
  for (;;) {
    SendControl control;
    msghdr header{};
    header.msg_name = &way.name.storage;
    header.msg_namelen = way.name.size;
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    if (way.from != nullptr) control.leave_from(header, *way.from, v4_);
    if (bytes.size() > segment_size) control.cut(header, segment_size);
    ++stats_.send_calls;
    if (kernel().sendmsg(descriptor_.get(), &header, 0) >= 0) return SendOutcome::kSent;
    *error = errno;
    if (*error == EINTR || give_up_source(way, *error)) continue;
    if (*error != EAGAIN && *error != EWOULDBLOCK) return SendOutcome::kRefused;
    ++stats_.blocked;
    return SendOutcome::kBlocked;
  }
}

std::size_t UdpSocket::send_each(Way& way, Bytes batch, std::size_t segment_size,
                                 std::size_t* refused) {
  std::array<mmsghdr, kSendMessagesMax> messages;
  std::array<iovec, kSendMessagesMax> vectors;
  std::size_t sent = 0;
  while (sent < batch.size()) {
    SendControl control;  // the same for all
    msghdr header{};
    header.msg_name = &way.name.storage;
    header.msg_namelen = way.name.size;
    header.msg_iovlen = 1;
    if (way.from != nullptr) control.leave_from(header, *way.from, v4_);
    unsigned count = 0;
    for (std::size_t at = sent; at < batch.size() && count < kSendMessagesMax; ++count) {
      const std::size_t size = std::min(segment_size, batch.size() - at);
      vectors[count] = {const_cast<std::uint8_t*>(batch.data()) + at, size};
      messages[count] = {header, 0};
      messages[count].msg_hdr.msg_iov = &vectors[count];
      at += size;
    }
    ++stats_.send_calls;
    const int done = kernel().sendmmsg(descriptor_.get(), messages.data(), count, 0);
    if (done < 0 && (errno == EINTR || give_up_source(way, errno))) continue;
    if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      ++stats_.blocked;
      return sent;
    }
    if (done < 0) {
      note_refused(errno, 1);
      ++*refused;
    }
    const std::size_t passed = done < 0 ? 1 : static_cast<std::size_t>(done);
    sent = std::min(batch.size(), sent + passed * segment_size);
  }
  return sent;
}

// Of a sendmmsg() to several addresses.
struct UdpSocket::SendBuffers {
  struct Part {
    SocketAddress name;
    iovec vector{};
    SendControl control;
  };

  void fill(std::size_t at, const Outgoing& out, const IpAddress* from, bool v4) {
    Part& part = parts[at];
    part.name = to_socket_address(out.to, v4);
    part.vector = {const_cast<std::uint8_t*>(out.bytes.data()), out.bytes.size()};
    messages[at] = {};
    msghdr& header = messages[at].msg_hdr;
    header.msg_name = &part.name.storage;
    header.msg_namelen = part.name.size;
    header.msg_iov = &part.vector;
    header.msg_iovlen = 1;
    if (from != nullptr) part.control.leave_from(header, *from, v4);
    if (out.bytes.size() > out.segment_size) part.control.cut(header, out.segment_size);
  }

  std::array<mmsghdr, kSendMessagesMax> messages{};
  std::array<Part, kSendMessagesMax> parts{};
};

std::span<UdpSocket::Outgoing> UdpSocket::send_many(std::span<Outgoing> all) {
  while (!all.empty()) {
    const std::optional<std::size_t> done = send_together(all);
    if (!done) return all;
    all = all.subspan(*done);
    if (*done > 0) continue;
    if (!send_alone(all.front())) return all;
    all = all.subspan(1);
  }
  return all;
}

// How many of the first ones have left; nothing where the kernel has no room. 0: the first one is
// alone, is refused, or must be cut by hand.
std::optional<std::size_t> UdpSocket::send_together(std::span<const Outgoing> all) {
  const auto leaves_whole = [this](const Outgoing& one) {
    return gso_ || one.bytes.size() <= one.segment_size;
  };
  if (all.size() == 1 || !leaves_whole(all.front())) return 0;
  if (!send_buffers_) send_buffers_ = std::make_unique<SendBuffers>();
  std::size_t count = 0;
  for (; count < std::min(kSendMessagesMax, all.size()) && leaves_whole(all[count]); ++count) {
    const IpAddress* from = sources_ ? sources_->find(all[count].to) : nullptr;
    send_buffers_->fill(count, all[count], from, v4_);
  }
  for (;;) {
    ++stats_.send_calls;
    const int done = kernel().sendmmsg(descriptor_.get(), send_buffers_->messages.data(),
                                       static_cast<unsigned>(count), 0);
    if (done >= 0) return static_cast<std::size_t>(done);
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return 0;
    ++stats_.blocked;
    return std::nullopt;
  }
}

// False: there is no room for all of it.
bool UdpSocket::send_alone(Outgoing& one) {
  const std::uint64_t unreachable = stats_.unreachable;
  const std::size_t sent = send(one.to, one.bytes, one.segment_size);
  one.unreachable = one.unreachable || stats_.unreachable != unreachable;
  one.bytes = one.bytes.subspan(sent);
  return one.bytes.empty();
}

void UdpSocket::send_or_lose(std::span<Outgoing> all) {
  stats_.send_failed += send_many(all).size();
}

std::span<UdpSocket::Batch> UdpSocket::receive() {
  ReceiveBuffers& buffers = *buffers_;
  buffers.reset(buffers.dirty, gro_ || sources_);
  ++stats_.receive_calls;
  const int received = kernel().recvmmsg(descriptor_.get(), buffers.messages.data(),
                                         static_cast<unsigned>(kBatchesMax), MSG_DONTWAIT);
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
    if (!sources_) continue;
    if (const auto reached = reached_address(header)) sources_->note(batch.from, *reached);
  }
  return {buffers.batches.data(), count};
}

}  // namespace whimbrel
