#include "io/kernel.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace whimbrel {

namespace {

class SystemKernel final : public Kernel {
 public:
  int socket(int family, int type, int protocol) override {
    return ::socket(family, type, protocol);
  }
  int bind(int descriptor, const sockaddr* address, socklen_t size) override {
    return ::bind(descriptor, address, size);
  }
  int getsockname(int descriptor, sockaddr* address, socklen_t* size) override {
    return ::getsockname(descriptor, address, size);
  }
  int setsockopt(int descriptor, int level, int name, const void* value, socklen_t size) override {
    return ::setsockopt(descriptor, level, name, value, size);
  }
  int getsockopt(int descriptor, int level, int name, void* value, socklen_t* size) override {
    return ::getsockopt(descriptor, level, name, value, size);
  }
  ssize_t sendmsg(int descriptor, const msghdr* message, int flags) override {
    return ::sendmsg(descriptor, message, flags);
  }
  int sendmmsg(int descriptor, mmsghdr* messages, unsigned count, int flags) override {
    return ::sendmmsg(descriptor, messages, count, flags);
  }
  int recvmmsg(int descriptor, mmsghdr* messages, unsigned count, int flags) override {
    return ::recvmmsg(descriptor, messages, count, flags, nullptr);
  }
  int epoll_create1(int flags) override { return ::epoll_create1(flags); }
  int epoll_ctl(int epoll, int operation, int descriptor, epoll_event* event) override {
    return ::epoll_ctl(epoll, operation, descriptor, event);
  }
  int epoll_wait(int epoll, epoll_event* events, int count, int timeout_ms) override {
    return ::epoll_wait(epoll, events, count, timeout_ms);
  }
  int epoll_pwait2(int epoll, epoll_event* events, int count, const timespec* timeout) override {
    return ::epoll_pwait2(epoll, events, count, timeout, nullptr);
  }
  int eventfd(unsigned value, int flags) override { return ::eventfd(value, flags); }
  int timerfd_create(int clock, int flags) override { return ::timerfd_create(clock, flags); }
  int timerfd_settime(int timer, int flags, const itimerspec* value) override {
    return ::timerfd_settime(timer, flags, value, nullptr);
  }
  ssize_t read(int descriptor, void* bytes, std::size_t size) override {
    return ::read(descriptor, bytes, size);
  }
  ssize_t write(int descriptor, const void* bytes, std::size_t size) override {
    return ::write(descriptor, bytes, size);
  }
  int close(int descriptor) override { return ::close(descriptor); }
  int clock_gettime(clockid_t clock, timespec* time) override {
    return ::clock_gettime(clock, time);
  }
  ssize_t getrandom(void* bytes, std::size_t size) override { return ::getrandom(bytes, size, 0); }
};

}  // namespace

Kernel& system_kernel() {
  static SystemKernel system;
  return system;
}

}  // namespace whimbrel
