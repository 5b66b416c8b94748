// One UDP port with a socket for each thread of a server. The kernel looks at a datagram's first bytes and gives it to the
// socket of its slot's shard: a client that moves to another address stays with its shard.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "io/udp_socket.h"

namespace whimbrel {

// Sockets for the shards 1 to `shards` - 1, on the port of `first`, which is shard 0's and was bound alone, so that it is
// no other program's. `apart`: one more, the last one, for what is not the relay's, which is shard 0's else. Nothing if this
// system can't tell datagrams apart; `first` then gets all, as before.
std::vector<std::unique_ptr<UdpSocket>> share_port(UdpSocket& first, std::uint32_t shards,
                                                   bool apart, const UdpSocket::Settings& settings);

}  // namespace whimbrel
