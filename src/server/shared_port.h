// One UDP port with a socket for each thread of a server. The kernel looks at a datagram's first
// bytes and gives it to the socket of its slot's shard. So a client that moves to another address
// stays with its shard.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "io/udp_socket.h"

namespace whimbrel {

// Sockets for the shards 1 to `shards` - 1, on the port of `first`, which belongs to shard 0.
// `first` was bound alone, so no other program has the port. `apart`: one more socket, the last
// one, for what does not belong to the relay; without it that goes to shard 0. Empty if this system
// cannot tell datagrams apart; then `first` gets all of them.
std::vector<std::unique_ptr<UdpSocket>> share_port(UdpSocket& first, std::uint32_t shards,
                                                   bool apart, const UdpSocket::Settings& settings);

}  // namespace whimbrel
