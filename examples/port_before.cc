// A game's network code as it often looks: one UDP socket, sendto() and recvfrom(), addresses as
// players. It tells the other player ten times where we are, and prints what it hears.
// port_after.cc is the same program on Whimbrel.
//
//   port_before MY_PORT PEER_PORT          both on this host
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

struct Position {
  int tick;
  float x, y;
};

sockaddr_in local_address(const char* port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
  return address;
}

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "use: port_before MY_PORT PEER_PORT\n"), 2;
  const sockaddr_in me = local_address(argv[1]);
  const sockaddr_in peer = local_address(argv[2]);

  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&me), sizeof me) != 0) {
    return std::perror("bind"), 1;
  }
  ::fcntl(fd, F_SETFL, O_NONBLOCK);

  int heard = 0;
  for (int tick = 1; tick <= 10 || (heard < 10 && tick <= 100); ++tick) {
    const Position mine{tick, 1.5f * static_cast<float>(tick), 0};
    ::sendto(fd, &mine, sizeof mine, 0, reinterpret_cast<const sockaddr*>(&peer), sizeof peer);

    Position theirs{};
    sockaddr_in from{};
    socklen_t from_size = sizeof from;
    while (::recvfrom(fd, &theirs, sizeof theirs, 0, reinterpret_cast<sockaddr*>(&from),
                      &from_size) == sizeof theirs) {
      if (from.sin_port != peer.sin_port) continue;
      std::printf("tick %d: the other is at %.1f\n", theirs.tick, static_cast<double>(theirs.x));
      ++heard;
    }
    std::fflush(stdout);
    ::usleep(50'000);
  }
  ::close(fd);
  return heard > 0 ? 0 : 1;
}
