#include "server/server_loop.h"

#include <algorithm>
#include <thread>

#include "io/system_random.h"

namespace whimbrel {

Expected<std::unique_ptr<ServerLoop>> ServerLoop::open(const ServerLoopConfig& config) {
  std::vector<std::unique_ptr<UdpSocket>> sockets;
  for (const IpAddress& address : config.listen) {
    for (const auto& bound : sockets) {
      if (bound->is_v4() == address.is_v4()) {
        return Error{
            "two addresses of one family to listen on: give one of IPv4 and one of IPv6 at most"};
      }
    }
    auto socket = UdpSocket::bind(address, config.sockets);
    if (!socket) return Error{socket.error()};
    sockets.push_back(std::move(*socket));
  }
  if (sockets.empty()) return Error{"no address to listen on"};
  return std::unique_ptr<ServerLoop>(new ServerLoop(config, std::move(sockets)));
}

ServerLoop::ServerLoop(const ServerLoopConfig& config,
                       std::vector<std::unique_ptr<UdpSocket>> sockets)
    : poller_(clock_),
      random_(system_random_seed()),
      keys_(config.site_master, unix_now(), clock_.now()),
      site_(config.site, config.authority, keys_, random_, clock_.now(), unix_now()),
      sockets_(std::move(sockets)),
      buffer_(new std::uint8_t[kTransmitBufferSize]) {
  for (const auto& socket : sockets_) poller_.add(socket->descriptor());
}

void ServerLoop::run() {
  Poller::Ready ready;
  while (!stopping_) {
    // Tasks go first: a busy loop takes the lock again and again.
    for (int i = 0; i < 100 && tasks_waiting_ > 0; ++i) std::this_thread::yield();
    Instant deadline;
    {
      const std::lock_guard lock(mutex_);
      bool more = false;
      for (std::size_t i = 0; i < sockets_.size(); ++i) {
        if ((ready.readable & 1u << i) != 0) more = receive(*sockets_[i]) || more;
      }
      const Instant now = clock_.now();
      site_.advance(now);
      more = transmit(now) || more;
      deadline = more ? Instant() : site_.next_deadline();
    }
    ready = poller_.wait(deadline);
  }
}

void ServerLoop::stop() {
  stopping_ = true;
  poller_.wake();
}

void ServerLoop::with_site(const std::function<void(Site&, Instant now)>& task) {
  tasks_waiting_.fetch_add(1);
  {
    const std::lock_guard lock(mutex_);
    tasks_waiting_.fetch_sub(1);
    task(site_, clock_.now());
  }
  poller_.wake();  // there may be something to send, or another deadline
}

UdpSocket* ServerLoop::socket_for(const IpAddress& to) {
  for (const auto& socket : sockets_) {
    if (socket->is_v4() == to.is_v4()) return socket.get();
  }
  return nullptr;
}

bool ServerLoop::receive(UdpSocket& socket) {
  const auto batches = socket.receive();
  const Instant now = clock_.now();
  arrivals_.clear();
  for (const UdpSocket::Batch& batch : batches) cut(batch);
  serve_arrivals(now);
  send_forwards();
  return batches.size() == UdpSocket::kBatchesMax;
}

void ServerLoop::cut(const UdpSocket::Batch& batch) {
  std::size_t at = 0;
  do {
    const std::size_t size = std::min(batch.segment_size, batch.bytes.size() - at);
    arrivals_.push_back({batch.from, batch.bytes.subspan(at, size), batch.segment_size});
    at += size;
  } while (at < batch.bytes.size());
}

// What is forwarded to one address stays where it is, as one piece, as long as its packets are neighbours of one size.
void ServerLoop::serve_arrivals(Instant now) {
  UdpSocket::Outgoing run;
  const auto flush = [&] {
    if (!run.bytes.empty()) (run.to.is_v4() ? forwards_ : forwards_v6_).push_back(run);
    run = {};
  };
  for (std::size_t first = 0; first < arrivals_.size(); first += kPrefetchGroup) {
    const auto group = std::span(arrivals_).subspan(first).first(
        std::min(kPrefetchGroup, arrivals_.size() - first));
    for (const Arrival& arrival : group) site_.prefetch_source(arrival.datagram);
    for (const Arrival& arrival : group) site_.prefetch_destination(arrival.datagram);
    for (const Arrival& arrival : group) {
      const auto to = site_.receive(arrival.from, arrival.datagram, now);
      const bool joins = to && !run.bytes.empty() && run.to == *to &&
                         run.segment_size == arrival.segment_size &&
                         run.bytes.data() + run.bytes.size() == arrival.datagram.data();
      if (joins) {
        run.bytes = Bytes(run.bytes.data(), run.bytes.size() + arrival.datagram.size());
        continue;
      }
      flush();
      if (to) run = {*to, arrival.datagram, arrival.segment_size};
    }
  }
  flush();
}

void ServerLoop::send_forwards() {
  for (auto* forwards : {&forwards_, &forwards_v6_}) {
    if (forwards->empty()) continue;
    if (UdpSocket* socket = socket_for(forwards->front().to)) socket->send_many(*forwards);
    forwards->clear();
  }
}

bool ServerLoop::transmit(Instant now) {
  const MutableBytes buffer{buffer_.get(), kTransmitBufferSize};
  for (std::size_t i = 0; i < kTransmitsMax; ++i) {
    const auto out = site_.poll_transmit(buffer, now);
    if (!out) return false;
    const UdpSocket::Outgoing one{out->to, Bytes(buffer).first(out->size), out->segment_size};
    // A full socket loses it, as a full queue on the way would.
    if (UdpSocket* socket = socket_for(out->to)) socket->send_many({&one, 1});
  }
  return true;
}

std::uint16_t ServerLoop::port(bool v4) const {
  for (const auto& socket : sockets_) {
    if (socket->is_v4() == v4) return socket->local_address().port;
  }
  return 0;
}

UdpSocketStats ServerLoop::socket_stats() const {
  UdpSocketStats sum;
  for (const auto& socket : sockets_) {
    sum.send_calls += socket->stats().send_calls;
    sum.receive_calls += socket->stats().receive_calls;
    sum.blocked += socket->stats().blocked;
    sum.send_failed += socket->stats().send_failed;
    sum.truncated += socket->stats().truncated;
  }
  return sum;
}

}  // namespace whimbrel
