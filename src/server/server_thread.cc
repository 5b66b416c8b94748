#include "server/server_thread.h"

#include <algorithm>

#include "io/system_random.h"
#include "io/thread.h"

namespace whimbrel {

ServerThread::ServerThread(const SiteConfig& config, const Secret& site_master,
                           rendezvous::Authority* authority, const Clock& clock,
                           WallClockSource wall_clock, Sockets sockets)
    : clock_(clock),
      wall_clock_(wall_clock),
      clock_looks_(clock.now()),
      poller_(clock),
      random_(system_random_seed()),
      keys_(site_master),
      site_(config, authority, keys_, random_, clock.now(), wall_clock(), this),
      sockets_(std::move(sockets)),
      buffer_(new std::uint8_t[kTransmitBufferSize]) {
  for (const auto& socket : sockets_) poller_.add(socket->descriptor());
}

void ServerThread::connect(const std::vector<std::unique_ptr<ServerThread>>& all,
                           std::size_t control) {
  control_ = control;
  for (const auto& shard : all) {
    if (shard.get() == this) place_ = all_.size();
    all_.push_back(shard.get());
    incoming_.push_back(shard.get() != this ? std::make_unique<HandoverRing>() : nullptr);
  }
}

void ServerThread::run() {
  Poller::Ready ready;
  while (!stopping_) {
    // Tasks go first: otherwise a busy loop would take the lock again and again.
    for (int i = 0; i < 100 && tasks_waiting_ > 0; ++i) yield_thread();
    Instant deadline;
    {
      const MutexLock lock(mutex_);
      deadline = turn(ready.readable) ? kNow : site_.next_deadline();
    }
    ready = wait(deadline);
  }
}

bool ServerThread::turn(std::uint32_t readable) {
  bool more = false;
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    if ((readable & 1u << i) != 0) more = receive(*sockets_[i]) || more;
  }
  const Instant now = clock_.now();
  look_at_clock(now);
  for (const auto& ring : incoming_) {
    if (ring) more = take_handovers(*ring, now) || more;
  }
  site_.advance(now);
  more = transmit(now) || more;
  publish_handovers();
  return more;
}

void ServerThread::stop() {
  stopping_ = true;
  poller_.wake();
}

void ServerThread::with_site(const std::function<void(Site&, Instant now)>& task) {
  tasks_waiting_.fetch_add(1);
  {
    const MutexLock lock(mutex_);
    tasks_waiting_.fetch_sub(1);
    task(site_, clock_.now());
  }
  poller_.wake();  // there may be something to send, or another deadline
}

// --- datagrams ----------------------------------------------------------------------------------

bool ServerThread::receive(UdpSocket& socket) {
  bool more = true;
  for (std::size_t taken = 0; more && taken < kArrivalsMin;) {
    const auto batches = socket.receive();
    const Instant now = clock_.now();
    look_at_clock(now);
    arrivals_.clear();
    for (const UdpSocket::Batch& batch : batches) cut(batch);
    const std::span<const Arrival> all = arrivals_;
    for (std::size_t first = 0; first < all.size(); first += kPrefetchGroup) {
      serve(all.subspan(first, std::min(kPrefetchGroup, all.size() - first)), now);
      publish_handovers();
    }
    send_forwards();
    taken += all.size();
    more = batches.size() == UdpSocket::kBatchesMax;
  }
  return more;
}

void ServerThread::cut(const UdpSocket::Batch& batch) {
  std::size_t at = 0;
  do {
    const std::size_t size = std::min(batch.segment_size, batch.bytes.size() - at);
    arrivals_.push_back({&batch.from, batch.bytes.subspan(at, size)});
    at += size;
  } while (at < batch.bytes.size());
}

void ServerThread::serve(std::span<const Arrival> group, Instant now) {
  for (const Arrival& arrival : group) site_.prefetch_source(arrival.datagram);
  for (const Arrival& arrival : group) site_.prefetch_destination(arrival.datagram);
  for (const Arrival& arrival : group) {
    const auto to = site_.receive(*arrival.from, arrival.datagram, now);
    if (to) forward(*to, arrival.datagram);
  }
}

UdpSocket* ServerThread::socket_for(const IpAddress& to) {
  for (const auto& socket : sockets_) {
    if (socket->is_v4() == to.is_v4()) return socket.get();
  }
  return nullptr;
}

void ServerThread::forward(const IpAddress& to, Bytes datagram) {
  (to.is_v4() ? forwards_ : forwards_v6_).add(to, datagram);
}

void ServerThread::send_forwards() {
  for (ForwardRuns* forwards : {&forwards_, &forwards_v6_}) {
    if (forwards->runs().empty()) continue;
    UdpSocket* socket = socket_for(forwards->runs().front().to);
    if (socket != nullptr) socket->send_or_lose(forwards->runs());
    forwards->clear();
  }
}

// What goes to many clients leaves in one system call.
bool ServerThread::transmit(Instant now) {
  const MutableBytes buffer{buffer_.get(), kTransmitBufferSize};
  std::size_t used = 0;
  bool more = true;
  for (std::size_t i = 0; i < kTransmitsMax && more; ++i) {
    const auto out = site_.poll_transmit(buffer.subspan(used), now);
    more = out.has_value();
    if (!more) break;
    const Bytes bytes = Bytes(buffer).subspan(used, out->size);
    (out->to.is_v4() ? forwards_ : forwards_v6_).add_batch({out->to, bytes, out->segment_size});
    used += out->size;
    if (kTransmitBufferSize - used >= kTransmitMax) continue;
    send_forwards();
    used = 0;
  }
  send_forwards();
  return more;
}

// --- other shards -------------------------------------------------------------------------------

bool ServerThread::hand_over(std::uint32_t shard, const relay::Handover& handover, Bytes bytes) {
  ServerThread& to = *all_[shard == relay::kControlShard ? control_ : shard];
  return to.incoming_[place_]->push(handover, bytes);
}

void ServerThread::publish_handovers() {
  for (ServerThread* shard : all_) {
    if (shard != this && shard->incoming_[place_]->publish()) shard->notify();
  }
}

// They are sent from the ring's memory, which is released when the kernel has copied them.
bool ServerThread::take_handovers(HandoverRing& ring, Instant now) {
  std::array<HandoverRing::Item, kPrefetchGroup> group;
  std::size_t taken = 0;
  for (std::size_t count = kPrefetchGroup; count == kPrefetchGroup && taken < kHandoversMax;) {
    count = 0;
    while (count < kPrefetchGroup) {
      const auto item = ring.next();
      if (!item) break;
      site_.prefetch(*item->handover);
      group[count++] = *item;
    }
    for (const HandoverRing::Item& item : std::span(group).first(count)) {
      const auto to = site_.take(*item.handover, item.bytes, now);
      if (to) forward(*to, item.bytes);
    }
    taken += count;
  }
  send_forwards();
  ring.release();
  return taken >= kHandoversMax;
}

Poller::Ready ServerThread::wait(Instant deadline) {
  if (deadline == kNow) return poller_.wait(deadline);
  // Whoever publishes after this wakes us; what was published before is seen here.
  asleep_.store(true, std::memory_order_seq_cst);
  for (const auto& ring : incoming_) {
    if (ring && !ring->empty()) deadline = kNow;
  }
  const Poller::Ready ready = poller_.wait(deadline);
  asleep_.store(false, std::memory_order_relaxed);
  return ready;
}

void ServerThread::notify() {
  if (asleep_.load(std::memory_order_seq_cst) && asleep_.exchange(false)) poller_.wake();
}

// --- sockets ------------------------------------------------------------------------------------

void ServerThread::close_descriptors() {
  for (const auto& socket : sockets_) socket->close_descriptor();
  poller_.close_descriptors();
}

std::uint16_t ServerThread::port(bool v4) const {
  for (const auto& socket : sockets_) {
    if (socket->is_v4() == v4) return socket->local_address().port;
  }
  return 0;
}

void ServerThread::add_socket_stats(UdpSocketStats& sum) {
  const MutexLock lock(mutex_);
  for (const auto& socket : sockets_) {
    sum.send_calls += socket->stats().send_calls;
    sum.receive_calls += socket->stats().receive_calls;
    sum.blocked += socket->stats().blocked;
    sum.send_failed += socket->stats().send_failed;
    sum.truncated += socket->stats().truncated;
  }
}

}  // namespace whimbrel
