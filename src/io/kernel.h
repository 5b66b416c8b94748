// The system calls of the threads' shell, behind one door. A test puts a kernel of its own there
// (test_kernel.h): with a clock that the test moves, and sockets that fail when the test says so.
// The price is one indirect call per system call.
#pragma once

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace whimbrel {

// Each call answers as the system call of its name, and sets errno. Thread-safe.
class Kernel {
 public:
  virtual ~Kernel() = default;

  virtual int socket(int family, int type, int protocol) = 0;
  virtual int bind(int descriptor, const sockaddr* address, socklen_t size) = 0;
  virtual int getsockname(int descriptor, sockaddr* address, socklen_t* size) = 0;
  virtual int setsockopt(int descriptor, int level, int name, const void* value,
                         socklen_t size) = 0;
  virtual int getsockopt(int descriptor, int level, int name, void* value, socklen_t* size) = 0;
  virtual ssize_t sendmsg(int descriptor, const msghdr* message, int flags) = 0;
  virtual int sendmmsg(int descriptor, mmsghdr* messages, unsigned count, int flags) = 0;
  virtual int recvmmsg(int descriptor, mmsghdr* messages, unsigned count, int flags) = 0;

  virtual int epoll_create1(int flags) = 0;
  virtual int epoll_ctl(int epoll, int operation, int descriptor, epoll_event* event) = 0;
  virtual int epoll_wait(int epoll, epoll_event* events, int count, int timeout_ms) = 0;
  virtual int epoll_pwait2(int epoll, epoll_event* events, int count, const timespec* timeout) = 0;
  virtual int eventfd(unsigned value, int flags) = 0;
  virtual int timerfd_create(int clock, int flags) = 0;
  virtual int timerfd_settime(int timer, int flags, const itimerspec* value) = 0;
  virtual ssize_t read(int descriptor, void* bytes, std::size_t size) = 0;
  virtual ssize_t write(int descriptor, const void* bytes, std::size_t size) = 0;
  virtual int close(int descriptor) = 0;

  virtual int clock_gettime(clockid_t clock, timespec* time) = 0;
  virtual ssize_t getrandom(void* bytes, std::size_t size) = 0;
};

// The operating system's own.
Kernel& system_kernel();

namespace detail {
inline std::atomic<Kernel*> kernel_in_use{nullptr};  // null: the operating system's own
}

inline Kernel& kernel() {
  Kernel* other = detail::kernel_in_use.load(std::memory_order_relaxed);
  return other != nullptr ? *other : system_kernel();
}

// For tests: `other` takes the place of the system's kernel; null ends that. Only while no other
// thread makes system calls.
inline void use_kernel(Kernel* other) { detail::kernel_in_use.store(other); }

}  // namespace whimbrel
