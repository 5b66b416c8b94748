// ENet as an application would use it for speed: default MTU, packet throttle off, large socket
// buffers. It never refuses a send and slows down with the length of its queue, so the application
// holds a window of its own.
#include <enet/enet.h>

#include "measure.h"

namespace bench {
namespace {

constexpr std::size_t kSmallOutstandingMax = 4096;
constexpr std::size_t kBulkOutstandingMax = 32;
constexpr std::size_t kUnreliableBurst = 256;  // between two calls of enet_host_service

// Packets handed to ENet and not yet done with: acknowledged, or sent if unreliable.
std::size_t g_outstanding = 0;

ENetHost* new_host(const ENetAddress* address, std::size_t peers) {
  ENetHost* host = enet_host_create(address, peers, 1, 0, 0);
  if (host == nullptr) fail("port in use");
  enet_socket_set_option(host->socket, ENET_SOCKOPT_RCVBUF, kSocketBufferBytes);
  enet_socket_set_option(host->socket, ENET_SOCKOPT_SNDBUF, kSocketBufferBytes);
  return host;
}

ENetAddress address_of(std::uint16_t port) {
  ENetAddress address;
  enet_address_set_host_ip(&address, "127.0.0.1");
  address.port = port;
  return address;
}

ENetPeer* dial(ENetHost* host, std::uint16_t port) {
  const ENetAddress address = address_of(port);
  ENetPeer* peer = enet_host_connect(host, &address, 1, 0);
  if (peer == nullptr) fail("no peer is free");
  return peer;
}

void send(ENetPeer* peer, std::size_t bytes, bool reliable) {
  static const std::vector<std::uint8_t> payload(kBulkBytes, 0x5a);
  ENetPacket* packet =
      enet_packet_create(payload.data(), bytes, reliable ? ENET_PACKET_FLAG_RELIABLE : 0);
  packet->freeCallback = [](ENetPacket*) { --g_outstanding; };
  ++g_outstanding;
  if (enet_peer_send(peer, 0, packet) != 0) fail("send was refused");
}

void serve(const Arguments& arguments) {
  const bool echoes = arguments.row == "rtt_64B" || arguments.row == "connect" ||
                      arguments.row == "sessions" || arguments.row == "idle";
  const ENetAddress address = address_of(arguments.port);
  ENetHost* host = new_host(&address, kSessions + 8);
  Meter meter(arguments.seconds);
  say_ready();
  while (!stopped()) {
    ENetEvent event;
    if (enet_host_service(host, &event, 100) <= 0) continue;
    do {
      if (event.type != ENET_EVENT_TYPE_RECEIVE) continue;
      if (echoes)
        send(event.peer, event.packet->dataLength, true);
      else
        meter.add(1, event.packet->dataLength);
      enet_packet_destroy(event.packet);
    } while (enet_host_check_events(host, &event) > 0);
    if (echoes) enet_host_flush(host);
  }
  if (!echoes) meter.print();
}

// Runs the host until an event of this type comes.
ENetEvent await(ENetHost* host, ENetEventType type) {
  for (const double begin = now_s(); now_s() < begin + 5;) {
    ENetEvent event;
    if (enet_host_service(host, &event, 10) <= 0) continue;
    if (event.type == ENET_EVENT_TYPE_RECEIVE) enet_packet_destroy(event.packet);
    if (event.type == type) return event;
  }
  fail("no answer");
}

void flood(const Arguments& arguments) {
  const bool reliable = arguments.row == "reliable_64B" || arguments.row == "bulk";
  const std::size_t bytes = arguments.row == "bulk"               ? kBulkBytes
                            : arguments.row == "unreliable_1200B" ? kFullBytes
                                                                  : kSmallBytes;
  const std::size_t outstanding_max = !reliable             ? kUnreliableBurst
                                      : bytes == kBulkBytes ? kBulkOutstandingMax
                                                            : kSmallOutstandingMax;
  ENetHost* host = new_host(nullptr, 1);
  ENetPeer* peer = dial(host, arguments.port);
  await(host, ENET_EVENT_TYPE_CONNECT);
  // Unreliable packets are never dropped on purpose.
  enet_peer_throttle_configure(peer, 5000, ENET_PEER_PACKET_THROTTLE_SCALE, 0);
  Meter meter(arguments.seconds);
  meter.start();
  while (!meter.sender_done()) {
    while (g_outstanding < outstanding_max) send(peer, bytes, reliable);
    ENetEvent event;
    // The window is full: what opens it is an acknowledgement, which wakes us up.
    enet_host_service(host, &event, reliable ? 1 : 0);
    meter.tick();
  }
  meter.print();
}

void ping_pong(const Arguments& arguments) {
  ENetHost* host = new_host(nullptr, 1);
  ENetPeer* peer = dial(host, arguments.port);
  await(host, ENET_EVENT_TYPE_CONNECT);
  std::vector<double> times;
  const double begin = now_s();
  const double end = begin + kWarmUpSeconds + arguments.seconds;
  for (double sent_at = begin; sent_at < end;) {
    send(peer, kSmallBytes, true);
    enet_host_flush(host);
    await(host, ENET_EVENT_TYPE_RECEIVE);
    const double now = now_s();
    if (sent_at > begin + kWarmUpSeconds) times.push_back(now - sent_at);
    sent_at = now;
  }
  print_times(std::move(times));
}

// From the dialling to the answer to a first message.
void connect_one_by_one(const Arguments& arguments) {
  std::vector<double> times;
  for (const double end = now_s() + arguments.seconds; now_s() < end && times.size() < kSessions;) {
    ENetHost* host = new_host(nullptr, 1);
    const double begin = now_s();
    ENetPeer* peer = dial(host, arguments.port);
    await(host, ENET_EVENT_TYPE_CONNECT);
    send(peer, kSmallBytes, true);
    await(host, ENET_EVENT_TYPE_RECEIVE);
    times.push_back(now_s() - begin);
    enet_peer_disconnect_now(peer, 0);
    enet_host_destroy(host);
  }
  print_times(std::move(times));
}

// kSessions sessions, kSessionsAtOnce of them on their way at a time; each is up when its first
// message is answered.
ENetHost* connect_many(std::uint16_t port) {
  ENetHost* host = new_host(nullptr, kSessions + kSessionsAtOnce);
  std::size_t dialled = 0, up = 0;
  for (const double begin = now_s(); up < kSessions;) {
    if (now_s() > begin + 10) fail("not all sessions came up");
    for (; dialled < kSessions && dialled - up < kSessionsAtOnce; ++dialled) dial(host, port);
    ENetEvent event;
    if (enet_host_service(host, &event, 10) <= 0) continue;
    do {
      if (event.type == ENET_EVENT_TYPE_CONNECT) send(event.peer, kSmallBytes, true);
      if (event.type != ENET_EVENT_TYPE_RECEIVE) continue;
      enet_packet_destroy(event.packet);
      ++up;
    } while (enet_host_check_events(host, &event) > 0);
  }
  return host;
}

void connect_burst(const Arguments& arguments) {
  const double begin = now_s();
  connect_many(arguments.port);
  print_result({{"per_s", kSessions / (now_s() - begin)}, {"cpu_s", cpu_s()}});
}

void hold_idle(const Arguments& arguments) {
  connect_many(arguments.port);
  wait_for_harness(kSessions);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  const Arguments arguments = start(argc, argv);
  if (enet_initialize() != 0) fail("ENet does not start");
  return run_part(arguments, serve,
                  {{"rtt_64B", ping_pong},
                   {"connect", connect_one_by_one},
                   {"sessions", connect_burst},
                   {"idle", hold_idle}},
                  flood);
}
