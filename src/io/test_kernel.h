// A kernel for tests: sockets that are joined inside the process, epoll, eventfd, timerfd and
// clocks. Its time is the scheduler's (test_threads.h), and each call is a moment at which another
// thread may go on. Sockets fail when the test says so.
#pragma once

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "io/kernel.h"
#include "io/test_threads.h"

namespace whimbrel {

class TestKernel final : public Kernel {
 public:
  explicit TestKernel(TestThreads& threads) : threads_(threads) {
    threads_.set_next_event([this] { return next_event(); });
    use_kernel(this);
  }
  ~TestKernel() override {
    use_kernel(nullptr);
    threads_.set_next_event(nullptr);
  }

  // --- what the test decides ---------------------------------------------------------------------
  struct Outgoing {
    int descriptor;
    std::uint16_t to;  // its port
    std::size_t size;  // of all its segments
    std::size_t segments;
  };
  // The errno of a send; 0: it succeeds. EAGAIN makes the socket full until set_full(descriptor,
  // false).
  std::function<int(const Outgoing&)> on_send;
  // A datagram is lost on the wire.
  std::function<bool(const Outgoing&)> on_wire;
  bool offload = true;     // UDP_SEGMENT can be had
  bool has_pwait2 = true;  // Linux 5.11
  Duration wire_time = microseconds(20);
  // Without effect where it is closed.
  void set_full(int descriptor, bool full) {
    if (const auto at = sockets_.find(descriptor); at != sockets_.end()) at->second.full = full;
  }
  bool is_full(int descriptor) const { return sockets_.at(descriptor).full; }
  // Of the last socket that was bound to this port.
  int socket_at(std::uint16_t port) const { return ports_.at(port); }
  // As a NAT that forgets: what the socket sends comes from another port, and what is sent there
  // reaches it.
  void rebind(int descriptor, std::uint16_t port) {
    ports_.erase(sockets_.at(descriptor).port);
    sockets_.at(descriptor).port = port;
    ports_[port] = descriptor;
  }
  // What poll() would say of the descriptor.
  bool readable(int descriptor) const { return (events_of(descriptor) & EPOLLIN) != 0; }
  // As poll(): false when the time has passed.
  bool wait_readable(int descriptor, Duration timeout) {
    threads_.block(
        "poll", [=, this] { return readable(descriptor); }, threads_.now_ns() + timeout.count());
    return readable(descriptor);
  }
  struct Counts {
    std::uint64_t sendmsg = 0, sendmmsg = 0, recvmmsg = 0, epoll_waits = 0, datagrams = 0;
    std::uint64_t timers = 0;  // that have fired
  };
  Counts counts;
  std::size_t open_descriptors() const {
    return sockets_.size() + counters_.size() + timers_.size() + epolls_.size();
  }

  // --- sockets -----------------------------------------------------------------------------------
  int socket(int family, int, int) override {
    threads_.step("socket");
    if (family != AF_INET) return fail(EAFNOSUPPORT);
    sockets_[next_] = {};
    return next_++;
  }
  int bind(int descriptor, const sockaddr* address, socklen_t) override {
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof in);
    Socket& bound = sockets_.at(descriptor);
    bound.port = in.sin_port != 0 ? ntohs(in.sin_port) : next_port_++;
    if (ports_.contains(bound.port)) return fail(EADDRINUSE);
    ports_[bound.port] = descriptor;
    return 0;
  }
  int getsockname(int descriptor, sockaddr* address, socklen_t* size) override {
    const sockaddr_in in = name_of(sockets_.at(descriptor).port);
    std::memcpy(address, &in, sizeof in);
    *size = sizeof in;
    return 0;
  }
  int setsockopt(int, int level, int name, const void*, socklen_t) override {
    return level == SOL_UDP && name == kUdpGro ? fail(ENOPROTOOPT) : 0;
  }
  int getsockopt(int, int, int, void*, socklen_t*) override {
    return offload ? 0 : fail(ENOPROTOOPT);
  }
  ssize_t sendmsg(int descriptor, const msghdr* message, int) override {
    ++counts.sendmsg;
    threads_.step("sendmsg");
    return send_one(descriptor, *message);
  }
  int sendmmsg(int descriptor, mmsghdr* messages, unsigned count, int) override {
    ++counts.sendmmsg;
    threads_.step("sendmmsg");
    for (unsigned i = 0; i < count; ++i) {
      const ssize_t sent = send_one(descriptor, messages[i].msg_hdr);
      if (sent < 0) return i > 0 ? static_cast<int>(i) : -1;
      messages[i].msg_len = static_cast<unsigned>(sent);
    }
    return static_cast<int>(count);
  }
  int recvmmsg(int descriptor, mmsghdr* messages, unsigned count, int) override {
    ++counts.recvmmsg;
    threads_.step("recvmmsg");
    Socket& from = sockets_.at(descriptor);
    if (std::exchange(from.refused, false)) return fail(ECONNREFUSED);
    unsigned got = 0;
    for (; got < count && from.has_datagram(threads_.now_ns()); ++got) {
      const Datagram& one = from.queue.front();
      msghdr& header = messages[got].msg_hdr;
      const std::size_t size = std::min(one.bytes.size(), header.msg_iov[0].iov_len);
      std::memcpy(header.msg_iov[0].iov_base, one.bytes.data(), size);
      const sockaddr_in in = name_of(one.from);
      std::memcpy(header.msg_name, &in, sizeof in);
      header.msg_namelen = sizeof in;
      header.msg_controllen = 0;
      header.msg_flags = size < one.bytes.size() ? MSG_TRUNC : 0;
      messages[got].msg_len = static_cast<unsigned>(size);
      from.queue.pop_front();
    }
    return got > 0 ? static_cast<int>(got) : fail(EAGAIN);
  }

  // --- what is waited for ------------------------------------------------------------------------
  int epoll_create1(int) override {
    epolls_[next_] = {};
    return next_++;
  }
  int epoll_ctl(int epoll, int operation, int descriptor, epoll_event* event) override {
    threads_.step("epoll_ctl");
    if (operation == EPOLL_CTL_DEL) {
      epolls_.at(epoll).erase(descriptor);
    } else {
      epolls_.at(epoll)[descriptor] = *event;
    }
    return 0;
  }
  int epoll_wait(int epoll, epoll_event* events, int count, int timeout_ms) override {
    return wait(
        epoll, events, count,
        timeout_ms < 0 ? INT64_MAX : threads_.now_ns() + timeout_ms * std::int64_t{1000000});
  }
  int epoll_pwait2(int epoll, epoll_event* events, int count, const timespec* timeout) override {
    if (!has_pwait2) return fail(ENOSYS);
    return wait(epoll, events, count, timeout == nullptr ? INT64_MAX : later(ns_of(*timeout)));
  }
  int eventfd(unsigned value, int) override {
    counters_[next_] = value;
    return next_++;
  }
  int timerfd_create(int, int) override {
    timers_[next_] = INT64_MAX;
    return next_++;
  }
  int timerfd_settime(int timer, int, const itimerspec* value) override {
    threads_.step("timerfd_settime");
    const std::int64_t at = ns_of(value->it_value);
    timers_.at(timer) = at == 0 ? INT64_MAX : at;
    return 0;
  }
  ssize_t read(int descriptor, void* bytes, std::size_t size) override {
    threads_.step("read");
    if (const auto timer = timers_.find(descriptor); timer != timers_.end()) {
      if (timer->second > threads_.now_ns()) return fail(EAGAIN);
      timer->second = INT64_MAX;
      ++counts.timers;
      return 8;
    }
    const auto counter = counters_.find(descriptor);
    if (counter == counters_.end()) return system_kernel().read(descriptor, bytes, size);
    if (counter->second == 0) return fail(EAGAIN);
    counter->second = 0;
    return 8;
  }
  ssize_t write(int descriptor, const void* bytes, std::size_t size) override {
    const auto counter = counters_.find(descriptor);
    if (counter == counters_.end()) return system_kernel().write(descriptor, bytes, size);
    threads_.step("write");
    ++counter->second;
    return 8;
  }
  int close(int descriptor) override {
    const auto socket = sockets_.find(descriptor);
    if (socket != sockets_.end()) ports_.erase(socket->second.port);
    for (auto& [epoll, watched] : epolls_) watched.erase(descriptor);
    const std::size_t closed = sockets_.erase(descriptor) + counters_.erase(descriptor) +
                               timers_.erase(descriptor) + epolls_.erase(descriptor);
    return closed > 0 ? 0 : system_kernel().close(descriptor);
  }

  // --- time and chance ---------------------------------------------------------------------------
  int clock_gettime(clockid_t clock, timespec* time) override {
    threads_.step("clock");
    const std::int64_t ns = threads_.now_ns() + (clock == CLOCK_REALTIME ? kUnixStart : 0);
    *time = {static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
    return 0;
  }
  ssize_t getrandom(void* bytes, std::size_t size) override {
    threads_.dice().fill({static_cast<std::uint8_t*>(bytes), size});
    return static_cast<ssize_t>(size);
  }

 private:
  static constexpr int kUdpSegment = 103;
  static constexpr int kUdpGro = 104;
  static constexpr std::int64_t kUnixStart = 1'700'000'000'000'000'000;

  struct Datagram {
    std::int64_t due_ns;
    std::uint16_t from;
    std::vector<std::uint8_t> bytes;
  };
  struct Socket {
    std::uint16_t port = 0;
    std::deque<Datagram> queue;
    bool full = false;
    bool refused = false;  // an ICMP error waits
    bool has_datagram(std::int64_t now) const {
      return !queue.empty() && queue.front().due_ns <= now;
    }
  };

  static int fail(int error) {
    errno = error;
    return -1;
  }
  static std::int64_t ns_of(const timespec& time) {
    return time.tv_sec > INT64_MAX / 1'000'000'000 - 1
               ? INT64_MAX
               : time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec;
  }
  std::int64_t later(std::int64_t ns) const {
    return ns > INT64_MAX - threads_.now_ns() ? INT64_MAX : threads_.now_ns() + ns;
  }
  static sockaddr_in name_of(std::uint16_t port) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return in;
  }

  ssize_t send_one(int descriptor, const msghdr& message) {
    sockaddr_in to{};
    std::memcpy(&to, message.msg_name, sizeof to);
    const auto* bytes = static_cast<const std::uint8_t*>(message.msg_iov[0].iov_base);
    const std::size_t size = message.msg_iov[0].iov_len;
    std::size_t segment = std::max<std::size_t>(size, 1);
    auto* header = const_cast<msghdr*>(&message);
    for (cmsghdr* control = CMSG_FIRSTHDR(header); control != nullptr;
         control = CMSG_NXTHDR(header, control)) {
      if (control->cmsg_level != SOL_UDP || control->cmsg_type != kUdpSegment) continue;
      std::uint16_t value = 0;
      std::memcpy(&value, CMSG_DATA(control), sizeof value);
      segment = value;
    }
    const Outgoing out{descriptor, ntohs(to.sin_port), size, (size + segment - 1) / segment};
    Socket& socket = sockets_.at(descriptor);
    if (socket.full) return fail(EAGAIN);
    const int error = on_send ? on_send(out) : 0;
    if (error == EAGAIN) socket.full = true;
    if (error != 0) return fail(error);
    if (on_wire && on_wire(out)) return static_cast<ssize_t>(size);
    deliver(socket, out.to, {bytes, size}, segment);
    return static_cast<ssize_t>(size);
  }
  void deliver(Socket& from, std::uint16_t to, Bytes bytes, std::size_t segment) {
    const auto there = ports_.find(to);
    if (there == ports_.end()) {
      from.refused = true;
      return;
    }
    const std::int64_t due = threads_.now_ns() + wire_time.count();
    for (std::size_t at = 0; at < bytes.size(); at += segment) {
      const Bytes piece = bytes.subspan(at, std::min(segment, bytes.size() - at));
      sockets_.at(there->second).queue.push_back({due, from.port, {piece.begin(), piece.end()}});
      ++counts.datagrams;
    }
  }

  std::uint32_t events_of(int descriptor) const {
    if (const auto it = sockets_.find(descriptor); it != sockets_.end()) {
      const Socket& socket = it->second;
      const bool in = socket.has_datagram(threads_.now_ns()) || socket.refused;
      return (in ? EPOLLIN : 0u) | (socket.full ? 0u : EPOLLOUT);
    }
    if (const auto it = counters_.find(descriptor); it != counters_.end())
      return it->second > 0 ? EPOLLIN : 0u;
    if (const auto it = timers_.find(descriptor); it != timers_.end())
      return it->second <= threads_.now_ns() ? EPOLLIN : 0u;
    const auto it = epolls_.find(descriptor);
    if (it == epolls_.end()) return 0;
    const bool any = std::any_of(it->second.begin(), it->second.end(), [&](const auto& one) {
      return (events_of(one.first) & one.second.events) != 0;
    });
    return any ? EPOLLIN : 0u;
  }
  int wait(int epoll, epoll_event* events, int count, std::int64_t deadline_ns) {
    ++counts.epoll_waits;
    threads_.block(
        "epoll_wait", [=, this] { return readable(epoll); }, deadline_ns);
    int found = 0;
    for (const auto& [descriptor, wanted] : epolls_.at(epoll)) {
      const std::uint32_t ready = events_of(descriptor) & wanted.events;
      if (ready == 0 || found == count) continue;
      events[found] = wanted;
      events[found++].events = ready;
    }
    return found;
  }
  // When a datagram arrives or a timer fires.
  std::int64_t next_event() const {
    std::int64_t next = INT64_MAX;
    const auto consider = [&](std::int64_t at) {
      if (at > threads_.now_ns()) next = std::min(next, at);
    };
    for (const auto& [descriptor, socket] : sockets_) {
      if (!socket.queue.empty()) consider(socket.queue.front().due_ns);
    }
    for (const auto& [descriptor, at] : timers_) consider(at);
    return next;
  }

  TestThreads& threads_;
  int next_ = 1'000'000;
  std::uint16_t next_port_ = 20000;
  std::map<int, Socket> sockets_;
  std::map<std::uint16_t, int> ports_;
  std::map<int, std::uint64_t> counters_;
  std::map<int, std::int64_t> timers_;
  std::map<int, std::map<int, epoll_event>> epolls_;
};

}  // namespace whimbrel
