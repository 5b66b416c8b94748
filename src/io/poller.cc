#include "io/poller.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "base/assert.h"
#include "io/kernel.h"

namespace whimbrel {

namespace {

constexpr std::uint32_t kWakeTag = 100;
constexpr std::uint32_t kTimerTag = 101;

void control(int epoll, int operation, int descriptor, std::uint32_t events, std::uint32_t tag) {
  epoll_event event{};
  event.events = events;
  event.data.u32 = tag;
  ASSERT(kernel().epoll_ctl(epoll, operation, descriptor, &event) == 0);
}

timespec to_timespec(std::int64_t ns) {
  return {static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
}

}  // namespace

std::string Poller::fault(std::size_t count) {
  std::vector<FileDescriptor> tried;
  for (std::size_t i = 0; i < count; ++i) {
    tried.emplace_back(kernel().epoll_create1(EPOLL_CLOEXEC));
    tried.emplace_back(kernel().epoll_create1(EPOLL_CLOEXEC));
    tried.emplace_back(kernel().eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    tried.emplace_back(kernel().timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC));
  }
  const int error = errno;
  const bool all = std::all_of(tried.begin(), tried.end(),
                               [](const FileDescriptor& one) { return one.valid(); });
  if (all) return "";
  std::string text = "cannot make what waits for sockets: " + std::string(std::strerror(error));
  if (error != EMFILE && error != ENFILE) return text;
  return text + ". Raise the limit of open files (ulimit -n, LimitNOFILE=), or close some";
}

Poller::Poller(const Clock& clock)
    : clock_(clock),
      epoll_(kernel().epoll_create1(EPOLL_CLOEXEC)),
      calls_(kernel().epoll_create1(EPOLL_CLOEXEC)),
      wake_event_(kernel().eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      timer_(kernel().timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC)) {
  ASSERT(epoll_.valid() && calls_.valid() && wake_event_.valid() && timer_.valid());
  for (const int epoll : {epoll_.get(), calls_.get()}) {
    control(epoll, EPOLL_CTL_ADD, wake_event_.get(), EPOLLIN, kWakeTag);
    control(epoll, EPOLL_CTL_ADD, timer_.get(), EPOLLIN, kTimerTag);
  }
}

void Poller::add(int descriptor) {
  ASSERT(source_count_ < kSourcesMax);
  control(epoll_.get(), EPOLL_CTL_ADD, descriptor, EPOLLIN,
          static_cast<std::uint32_t>(source_count_));
  sources_[source_count_++] = descriptor;
}

void Poller::watch_writable(std::size_t source, bool on) {
  ASSERT(source < source_count_);
  control(epoll_.get(), EPOLL_CTL_MOD, sources_[source],
          on ? static_cast<std::uint32_t>(EPOLLIN | EPOLLOUT) : EPOLLIN,
          static_cast<std::uint32_t>(source));
}

Poller::Ready Poller::wait(Instant deadline) { return wait_at(epoll_.get(), deadline); }

bool Poller::pause(Instant until) { return wait_at(calls_.get(), until).woken; }

Poller::Ready Poller::wait_at(int epoll, Instant deadline) {
  std::array<epoll_event, kEventsMax> events;
  const auto capacity = static_cast<int>(events.size());
  const bool forever = deadline == kNever;
  const std::int64_t ns = forever ? 0 : time_until(deadline, clock_.now()).count();
  int count = -1;
  if (fine_timeouts_.load(std::memory_order_relaxed)) {
    const timespec timeout = to_timespec(ns);
    count = kernel().epoll_pwait2(epoll, events.data(), capacity, forever ? nullptr : &timeout);
    // Linux before 5.11.
    if (count < 0 && errno == ENOSYS) fine_timeouts_.store(false, std::memory_order_relaxed);
  }
  if (!fine_timeouts_.load(std::memory_order_relaxed)) {
    const std::int64_t whole = ns / 1'000'000 + (ns % 1'000'000 != 0 ? 1 : 0);
    const auto ms = static_cast<int>(std::min<std::int64_t>(whole, 1 << 30));
    count = kernel().epoll_wait(epoll, events.data(), capacity, forever ? -1 : ms);
  }
  Ready ready;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.u32 == kWakeTag) {
      drain(wake_event_.get());
      ready.woken = true;
    } else if (event.data.u32 == kTimerTag) {
      drain(timer_.get());
      ready.woken = true;
    } else {
      // Errors show as readable: the next receive clears them.
      if ((event.events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0)
        ready.readable |= 1u << event.data.u32;
      if ((event.events & EPOLLOUT) != 0) ready.writable |= 1u << event.data.u32;
    }
  }
  return ready;
}

void Poller::wake() {
  const std::uint64_t one = 1;
  // Fails only when the counter is full: then it is readable anyway.
  [[maybe_unused]] const ssize_t written = kernel().write(wake_event_.get(), &one, sizeof one);
}

void Poller::wake_at(Instant at) {
  itimerspec setting{};
  // A zero time disarms.
  if (at != kNever) setting.it_value = to_timespec(clock_.boottime_ns(std::max(at, clock_.now())));
  ASSERT(kernel().timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &setting) == 0);
}

void Poller::close_descriptors() {
  epoll_ = FileDescriptor();
  calls_ = FileDescriptor();
  wake_event_ = FileDescriptor();
  timer_ = FileDescriptor();
}

void Poller::drain(int descriptor) {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = kernel().read(descriptor, &count, sizeof count);
}

}  // namespace whimbrel
