// Datagrams from made-up addresses of this machine.
#pragma once

#include <array>

#include "base/bytes.h"
#include "relay_rows.h"

namespace bench {

// As many prefixes as a relay tells apart at the same time.
inline constexpr std::size_t kSources = 4096;
inline constexpr std::size_t kBatch = 64;
// Sends from any address of this machine: a socket that is bound to none says for each datagram
// where it is from.
class Spoofer {
 public:
  explicit Spoofer(std::uint16_t port) : to_(loopback(port)), fd_(new_socket(1000)) {
    sockaddr_in any = {};
    any.sin_family = AF_INET;
    if (bind(fd_, reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0) fail("no port");
  }
  Spoofer(const Spoofer&) = delete;
  ~Spoofer() { close(fd_); }

  int fd() const { return fd_; }
  void add(std::size_t source, whimbrel::Bytes datagram) {
    Slot& slot = slots_[count_];
    slot.piece = {const_cast<std::uint8_t*>(datagram.data()), datagram.size()};
    slot.info = {};
    slot.info.ipi_spec_dst = lone_address(source).sin_addr;
    msghdr& header = messages_[count_].msg_hdr;
    header = {};
    header.msg_name = &to_;
    header.msg_namelen = sizeof to_;
    header.msg_iov = &slot.piece;
    header.msg_iovlen = 1;
    header.msg_control = slot.control;
    header.msg_controllen = sizeof slot.control;
    cmsghdr* control = CMSG_FIRSTHDR(&header);
    control->cmsg_level = IPPROTO_IP;
    control->cmsg_type = IP_PKTINFO;
    control->cmsg_len = CMSG_LEN(sizeof slot.info);
    std::memcpy(CMSG_DATA(control), &slot.info, sizeof slot.info);
    if (++count_ == kBatch) flush();
  }
  void flush() {
    sendmmsg(fd_, messages_.data(), static_cast<unsigned>(count_), 0);
    count_ = 0;
  }

 private:
  struct Slot {
    iovec piece;
    in_pktinfo info;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in_pktinfo))];
  };
  sockaddr_in to_;
  int fd_;
  std::size_t count_ = 0;
  std::array<mmsghdr, kBatch> messages_ = {};
  std::array<Slot, kBatch> slots_;
};

}  // namespace bench
