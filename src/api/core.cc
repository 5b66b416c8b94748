#include "api/core.h"

#include <algorithm>

namespace whimbrel {

Core::Core(EndpointConfig config, const std::optional<NetworkConfig>& server,
           NameLookup::Resolve server_name, Sockets sockets, Poller& poller, const Clock& clock,
           const Secret& seed, WallClockSource wall_clock)
    : clock_(clock),
      wall_clock_(wall_clock),
      clock_looks_(clock.now()),
      poller_(poller),
      random_(seed),
      fake_random_(random_.u64()),
      network_(std::move(config), server, random_, clock.now(), wall_clock()),
      sockets_(std::move(sockets)),
      transmit_buffer_(new std::uint8_t[kTransmitBufferSize]) {
  for (const auto& socket : sockets_) poller_.add(socket->descriptor());
  if (!server_name) return;
  server_name_ = std::make_unique<ServerName>(std::move(server_name), [&poller] { poller.wake(); });
}

void Core::advance(Instant now) {
  look_at_clock(now);
  network_.advance(now);
  if (!server_name_) return;
  const auto answer = server_name_->advance(network_.seeks_server(), now);
  if (answer && answer->ok()) network_.set_servers(**answer, now);
}

void Core::set_fake_links(const FakeLinkSettings& send, const FakeLinkSettings& receive) {
  fake_send_.configure(send);
  fake_receive_.configure(receive);
}

UdpSocket* Core::socket_for(const IpAddress& to) {
  for (const auto& socket : sockets_) {
    if (socket->is_v4() == to.is_v4()) return socket.get();
  }
  return nullptr;
}

bool Core::receive(const Poller::Ready& ready) {
  bool more = false;
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    if ((ready.readable & 1u << i) == 0) continue;
    const auto batches = sockets_[i]->receive();
    const Instant now = clock_.now();
    look_at_clock(now);
    for (const UdpSocket::Batch& batch : batches) receive_batch(batch, now);
    more = more || batches.size() == UdpSocket::kBatchesMax;
  }
  if (fake_receive_.active()) deliver_fake(clock_.now());
  return more;
}

void Core::count(std::size_t bytes, std::size_t segment_size) {
  moved_.bytes += bytes;
  moved_.datagrams += segment_size == 0 ? 1 : (bytes + segment_size - 1) / segment_size;
}

void Core::receive_batch(const UdpSocket::Batch& batch, Instant now) {
  const bool fake = fake_receive_.active();
  count(batch.bytes.size(), batch.segment_size);
  std::size_t at = 0;
  do {
    const std::size_t size = std::min(batch.segment_size, batch.bytes.size() - at);
    const MutableBytes datagram = batch.bytes.subspan(at, size);
    if (fake) {
      fake_receive_.push(batch.from, datagram, now);
    } else {
      network_.receive(batch.from, datagram, now);
    }
    at += size;
  } while (at < batch.bytes.size());
}

void Core::deliver_fake(Instant now) {
  while (auto datagram = fake_receive_.pop(now)) {
    network_.receive(datagram->address, datagram->bytes, now);
  }
}

bool Core::transmit(Instant now) {
  if (blocked_ && !send_rest()) return false;
  if (fake_send_.active()) {
    while (auto datagram = fake_send_.pop(now)) {
      send_now(datagram->address, datagram->bytes, datagram->bytes.size());
      if (blocked_) return false;
    }
  }
  const MutableBytes buffer{transmit_buffer_.get(), kTransmitBufferSize};
  for (std::size_t i = 0; i < kTransmitBatchesMax; ++i) {
    const auto batch = network_.poll_transmit(buffer, now);
    if (!batch) return false;
    send(*batch, now);
    if (blocked_) return false;
  }
  return true;
}

void Core::flush_line() {
  while (!blocked_ && fake_send_.busy()) {
    const auto datagram = fake_send_.pop(fake_send_.next_deadline());
    send_now(datagram->address, datagram->bytes, datagram->bytes.size());
  }
}

void Core::send(const Transmit& batch, Instant now) {
  const Bytes bytes{transmit_buffer_.get(), batch.size};
  count(batch.size, batch.segment_size);
  if (!fake_send_.active()) return send_now(batch.to, bytes, batch.segment_size);
  for (std::size_t at = 0; at < bytes.size(); at += batch.segment_size) {
    fake_send_.push(batch.to, bytes.subspan(at, std::min(batch.segment_size, bytes.size() - at)),
                    now);
  }
}

// Returns how many bytes the kernel took.
std::size_t Core::give(UdpSocket& socket, const IpAddress& to, Bytes batch,
                       std::size_t segment_size) {
  const std::uint64_t unreachable = socket.stats().unreachable;
  const std::size_t sent = socket.send(to, batch, segment_size);
  if (socket.stats().unreachable != unreachable) network_.on_unreachable(to);
  return sent;
}

void Core::send_now(const IpAddress& to, Bytes batch, std::size_t segment_size) {
  UdpSocket* socket = socket_for(to);
  // That family is not in use: lost, as where there is no route.
  if (socket == nullptr) return network_.on_unreachable(to);
  const std::size_t sent = give(*socket, to, batch, segment_size);
  if (sent == batch.size()) return;
  // What is left stays at the front of the buffer until the kernel has room.
  const Bytes rest = batch.subspan(sent);
  std::memmove(transmit_buffer_.get(), rest.data(), rest.size());
  blocked_ = Blocked{socket, to, 0, rest.size(), segment_size};
  watch_blocked(true);
}

bool Core::send_rest() {
  Blocked& rest = *blocked_;
  const Bytes bytes{transmit_buffer_.get() + rest.offset, rest.size - rest.offset};
  rest.offset += give(*rest.socket, rest.to, bytes, rest.segment_size);
  if (rest.offset < rest.size) return false;
  watch_blocked(false);
  blocked_.reset();
  return true;
}

void Core::watch_blocked(bool on) {
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    if (sockets_[i].get() == blocked_->socket) poller_.watch_writable(i, on);
  }
}

Instant Core::next_deadline() const {
  return std::min({network_.next_deadline(), fake_send_.next_deadline(),
                   fake_receive_.next_deadline(),
                   server_name_ ? server_name_->next_deadline() : kNever});
}

std::uint16_t Core::port(bool v4) const {
  for (const auto& socket : sockets_) {
    if (socket->is_v4() == v4) return socket->local_address().port;
  }
  return 0;
}

UdpSocketStats Core::socket_stats() const {
  UdpSocketStats sum;
  for (const auto& socket : sockets_) {
    const UdpSocketStats& one = socket->stats();
    sum.send_calls += one.send_calls;
    sum.receive_calls += one.receive_calls;
    sum.blocked += one.blocked;
    sum.send_failed += one.send_failed;
    sum.truncated += one.truncated;
  }
  return sum;
}

}  // namespace whimbrel
