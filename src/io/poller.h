// Waiting for sockets, for time and for a call from another thread: epoll, with a deadline finer
// than a millisecond.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/time.h"
#include "io/clock.h"
#include "io/file_descriptor.h"

namespace whimbrel {

// wake() and wake_at() may be called by any thread, the rest by one thread at a time; but several
// threads may be inside wait() or pause().
class Poller {
 public:
  static constexpr std::size_t kSourcesMax = 4;
  struct Ready {
    std::uint32_t readable = 0;  // bit i: source i
    std::uint32_t writable = 0;
    bool woken = false;  // by wake() or wake_at()

    bool any() const { return readable != 0 || writable != 0 || woken; }
  };

  // What would keep so many more of them from being made, and what to do; empty: nothing. Without
  // room for one the constructor ends the program, so who cannot be sure asks first.
  static std::string fault(std::size_t count);

  explicit Poller(const Clock& clock);

  // Numbers count from 0 in the order of the calls.
  void add(int descriptor);
  void watch_writable(std::size_t source, bool on);

  // Until something is ready, somebody called wake(), or the deadline. An instant in the past: only
  // looks.
  Ready wait(Instant deadline);
  // The same, but whatever comes to the sources is let pile up. True: somebody called wake(), or
  // wake_at() is over.
  bool pause(Instant until);
  // Lets one wait() or pause(), or the next one, return.
  void wake();
  // Lets wait() or pause() return at `at`, whatever deadline it was given; kNever takes that back.
  void wake_at(Instant at);
  // Readable when wait() would return at once, but for its deadline.
  int descriptor() const { return epoll_.get(); }

  // In a child process, where it cannot be used any more: gives the descriptors back.
  void close_descriptors();

 private:
  static constexpr std::size_t kEventsMax = kSourcesMax + 2;
  Ready wait_at(int epoll, Instant deadline);
  void drain(int descriptor);

  const Clock& clock_;
  FileDescriptor epoll_;
  FileDescriptor calls_;  // the same without the sources
  FileDescriptor wake_event_;
  FileDescriptor timer_;
  std::array<int, kSourcesMax> sources_{};
  std::size_t source_count_ = 0;
  std::atomic<bool> fine_timeouts_{true};
};

}  // namespace whimbrel
