#include "server/shared_port.h"

#include <linux/filter.h>
#include <sys/socket.h>

#include <array>

#include "relay/framing.h"

namespace whimbrel {

namespace {

// relay::shard_of() for a datagram, as a program of the classic packet filter, which needs no
// privilege. What does not belong to the relay goes to socket `rest`. A load beyond the datagram's
// end ends the program with 0.
bool steer_by_slot(int descriptor, std::uint32_t shards, std::uint32_t rest) {
  constexpr std::uint32_t kIndexMask = (1u << relay::SlotId::kIndexBits) - 1;
  constexpr auto kOpen = static_cast<std::uint32_t>(relay::Kind::kOpen);
  constexpr auto kSend = static_cast<std::uint32_t>(relay::Kind::kSend);
  constexpr auto kAsk = static_cast<std::uint32_t>(relay::Kind::kAsk);
  std::array<sock_filter, 9> program{{
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kOpen, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kSend, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kAsk, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, rest),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, kIndexMask),
      BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, shards),
      BPF_STMT(BPF_RET | BPF_A, 0),
  }};
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &filter, sizeof filter) == 0;
}

}  // namespace

std::vector<std::unique_ptr<UdpSocket>> share_port(UdpSocket& first, std::uint32_t shards,
                                                   bool apart,
                                                   const UdpSocket::Settings& settings) {
  const std::uint32_t sockets = shards + (apart ? 1 : 0);
  ASSERT(shards >= 1 && sockets >= 2);
  const int on = 1;
  if (setsockopt(first.descriptor(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) return {};
  UdpSocket::Settings shared = settings;
  shared.share_port = true;
  // The program returns the number of a socket, in the order in which they were bound.
  std::vector<std::unique_ptr<UdpSocket>> others;
  for (std::uint32_t i = 1; i < sockets; ++i) {
    auto bound = UdpSocket::bind(first.local_address(), shared);
    if (!bound) return {};
    others.push_back(std::move(*bound));
  }
  if (!steer_by_slot(first.descriptor(), shards, apart ? shards : 0)) return {};
  return others;
}

}  // namespace whimbrel
