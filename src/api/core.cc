#include "api/core.h"

#include <algorithm>
#include <array>
#include <cstring>

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
      transmit_buffer_(new std::uint8_t[kGatheredBytesMax + kBatchBytesMax]),
      gathered_(sockets_.size()) {
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

bool Core::receive(const Poller::Ready& ready) {
  bool more = false;
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    if ((ready.readable & 1u << i) != 0) more = receive_once(*sockets_[i]) || more;
  }
  if (fake_receive_.active()) deliver_fake(clock_.now());
  return more;
}

// True: there may be more.
bool Core::receive_once(UdpSocket& socket) {
  const auto batches = socket.receive();
  const Instant now = clock_.now();
  look_at_clock(now);
  if (batches.size() > 1) prefetch_receivers(batches);
  for (const UdpSocket::Batch& batch : batches) receive_batch(batch, now);
  return batches.size() == UdpSocket::kBatchesMax;
}

void Core::look_at_arrivals() {
  for (const auto& socket : sockets_) {
    for (std::size_t i = 0; i < kBatchCallsPerLook && receive_once(*socket); ++i) {
    }
  }
}

void Core::prefetch_receivers(std::span<const UdpSocket::Batch> batches) {
  std::array<Bytes, UdpSocket::kBatchesMax> first;
  for (std::size_t i = 0; i < batches.size(); ++i) first[i] = batches[i].bytes;
  network_.prefetch_receivers(std::span(first).first(batches.size()));
}

void Core::count(std::size_t bytes, std::size_t segment_size) {
  moved_.bytes += bytes;
  moved_.datagrams += segment_size == 0 ? 1 : (bytes + segment_size - 1) / segment_size;
}

void Core::receive_batch(const UdpSocket::Batch& batch, Instant now) {
  const bool fake = fake_receive_.active();
  count(batch.bytes.size(), batch.segment_size);
  if (batch.from != last_from_) ++moved_.turns;
  last_from_ = batch.from;
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
  if (blocked_ != 0 && !send_gathered()) return false;
  std::size_t bytes = 0;
  Instant looked = now;
  for (std::size_t i = 0; i < kTransmitsMax && bytes < kTransmitBytesMax; ++i) {
    const bool more = gather(now);
    bytes += gathered_bytes_;
    if (!send_gathered() || !more) return false;
    if (clock_.now() - looked < kLookInterval) continue;
    look_at_arrivals();
    now = looked = clock_.now();
  }
  return true;
}

void Core::flush_line() {
  while (blocked_ == 0 && fake_send_.busy()) {
    begin_gathering();
    gather_line(fake_send_.next_deadline());
    send_gathered();
  }
}

void Core::begin_gathering() {
  ASSERT(blocked_ == 0);
  gathered_bytes_ = gathered_count_ = 0;
}

// What leaves in the next system call. False: there is no more than that.
bool Core::gather(Instant now) {
  begin_gathering();
  gather_line(now);
  for (std::size_t i = 0; i < kGatheredMax && has_room(); ++i) {
    const MutableBytes buffer{transmit_buffer_.get() + gathered_bytes_, kBatchBytesMax};
    const auto batch = network_.poll_transmit(buffer, now);
    if (!batch) return false;
    count(batch->size, batch->segment_size);
    if (fake_send_.active()) {
      push_fake(*batch, now);
    } else {
      add(batch->to, batch->size, batch->segment_size);
    }
    // A packet to the only peer that has any does not wait while we look for a second one.
    if (!network_.several_have_packets()) return true;
  }
  return true;
}

void Core::gather_line(Instant now) {
  while (has_room()) {
    const auto datagram = fake_send_.pop(now);
    if (!datagram) return;
    const std::size_t size = datagram->bytes.size();
    std::memcpy(transmit_buffer_.get() + gathered_bytes_, datagram->bytes.data(), size);
    add(datagram->address, size, size);
  }
}

void Core::push_fake(const Transmit& batch, Instant now) {
  const Bytes bytes{transmit_buffer_.get() + gathered_bytes_, batch.size};
  for (std::size_t at = 0; at < bytes.size(); at += batch.segment_size) {
    fake_send_.push(batch.to, bytes.subspan(at, std::min(batch.segment_size, bytes.size() - at)),
                    now);
  }
}

// What stands at the end of the buffer.
void Core::add(const IpAddress& to, std::size_t size, std::size_t segment_size) {
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    if (sockets_[i]->is_v4() != to.is_v4()) continue;
    const Bytes bytes{transmit_buffer_.get() + gathered_bytes_, size};
    gathered_[i].push_back({to, bytes, segment_size});
    gathered_bytes_ += size;
    ++gathered_count_;
    return;
  }
  // That family is not in use: lost, as where there is no route.
  network_.on_unreachable(to);
}

// False: the kernel has no room for the rest, which stays until it has.
bool Core::send_gathered() {
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    auto& all = gathered_[i];
    if (all.empty()) continue;
    const std::size_t left = sockets_[i]->send_many(all).size();
    const std::size_t sent = all.size() - left;
    tell_unreachable(std::span(all).first(sent));
    all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(sent));
    watch_blocked(i, left > 0);
  }
  return blocked_ == 0;
}

void Core::tell_unreachable(std::span<const UdpSocket::Outgoing> sent) {
  for (const UdpSocket::Outgoing& one : sent) {
    if (one.unreachable) network_.on_unreachable(one.to);
  }
}

void Core::watch_blocked(std::size_t socket, bool on) {
  const std::uint32_t bit = 1u << socket;
  if (((blocked_ & bit) != 0) == on) return;
  blocked_ ^= bit;
  poller_.watch_writable(socket, on);
}

Instant Core::next_deadline() const {
  const Instant next =
      std::min({network_.next_deadline(), fake_send_.next_deadline(), fake_receive_.next_deadline(),
                server_name_ ? server_name_->next_deadline() : kNever});
  // What cannot leave stays due: without this the driver would look at it again and again.
  return blocked_ != 0 ? std::max(next, clock_.now() + kLookWhileFull) : next;
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
