#include "relay_load.h"

#include <sys/epoll.h>
#include <sys/prctl.h>

#include <fstream>
#include <sstream>

namespace bench {
namespace {

// Nothing has come for so long: what was on its way is lost.
constexpr double kStallSeconds = 0.05;
constexpr double kTendSeconds = 0.05;
// Of a paced load: the shorter, the smaller its bursts.
constexpr long kPaceNanoseconds = 50'000;

}  // namespace

ServerCpu server_cpu(int pid) {
  clockid_t clock;
  timespec t;
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
    fail("the server is gone");
  ServerCpu cpu;
  cpu.total = static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
  // proc(5): the fields behind the name, which is in brackets; the 14th and 15th of all are the
  // times.
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int i = 3; i < 14; ++i) fields >> skipped;
  fields >> cpu.user >> cpu.system;
  const auto tick = static_cast<double>(sysconf(_SC_CLK_TCK));
  cpu.user /= tick;
  cpu.system /= tick;
  return cpu;
}

Load::Load(std::vector<EndPair> pairs, std::size_t payload_bytes, std::uint32_t window)
    : pairs_(std::move(pairs)),
      payload_(payload_bytes, 0x5a),
      window_(window),
      epoll_(epoll_create1(0)) {
  for (const auto& [a, b] : pairs_) {
    ends_.push_back(a.get());
    ends_.push_back(b.get());
  }
  flows_.resize(ends_.size());
  for (std::size_t i = 0; i < ends_.size(); ++i) {
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.u64 = i;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, ends_[i]->fd(), &event);
  }
}

Load::~Load() { close(epoll_); }

void Load::run(double seconds) {
  for (std::size_t i = 0; i < flows_.size(); ++i) {
    flows_[i].progress_at = now_s();
    refill(i);
  }
  for (const double end = now_s() + seconds; now_s() < end;) {
    wait_and_receive(10);
    look_after();
  }
}

void Load::run_paced(double seconds, double packets_per_second) {
  prctl(PR_SET_TIMERSLACK, 1'000UL);
  double left_at = now_s();
  for (const double end = left_at + seconds; left_at < end;) {
    const timespec pause = {0, kPaceNanoseconds};
    nanosleep(&pause, nullptr);
    auto due = static_cast<std::size_t>((now_s() - left_at) * packets_per_second);
    left_at += static_cast<double>(due) / packets_per_second;
    for (due = std::min<std::size_t>(due, 16 * window_); due > 0; --due) {
      send(next_flow_, 1);
      next_flow_ = (next_flow_ + 1) % flows_.size();
    }
    wait_and_receive(0);
    if (now_s() >= look_at_) look_after();
  }
}

void Load::wait_and_receive(int milliseconds) {
  std::array<epoll_event, 64> ready;
  const int count = epoll_wait(epoll_, ready.data(), ready.size(), milliseconds);
  for (int i = 0; i < count; ++i) {
    const auto flow = static_cast<std::size_t>(ready[static_cast<std::size_t>(i)].data.u64);
    receive(flow);
    if (milliseconds != 0) refill(flow);
  }
}

void Load::receive(std::size_t index) {
  std::array<mmsghdr, kBatchMax> messages = {};
  std::array<iovec, kBatchMax> pieces;
  for (std::size_t i = 0; i < kBatchMax; ++i) {
    pieces[i] = {buffers_[i].data(), buffers_[i].size()};
    messages[i].msg_hdr.msg_iov = &pieces[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  const int count = recvmmsg(ends_[index]->fd(), messages.data(), kBatchMax, 0, nullptr);
  if (count <= 0) return;
  Flow& flow = flows_[index];
  const Instant now = bench_now();
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    const MutableBytes payload =
        ends_[index]->unwrap(MutableBytes(buffers_[i]).first(messages[i].msg_len), now);
    if (payload.size() != payload_.size()) continue;
    std::uint32_t sequence;
    std::memcpy(&sequence, payload.data(), sizeof sequence);
    // Losses show as gaps; a packet that comes late was none.
    if (sequence > flow.highest) {
      counts_.lost += sequence - flow.highest - 1;
      flow.highest = sequence;
    } else if (counts_.lost > 0) {
      --counts_.lost;
    }
    ++flow.received;
    ++counts_.received;
  }
  flow.progress_at = now_s();
}

// In trains of half a window: a call for every packet would make the generator the slower one.
void Load::refill(std::size_t index) {
  const std::uint32_t on_way = outstanding(flows_[index]);
  if (on_way <= window_ / 2) send(index, window_ - on_way);
}

void Load::send(std::size_t index, std::size_t count) {
  End& from = *ends_[index ^ 1];
  Flow& flow = flows_[index];
  std::array<mmsghdr, kBatchMax> messages = {};
  std::array<iovec, kBatchMax> pieces;
  const Instant now = bench_now();
  count = std::min(count, kBatchMax);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t sequence = ++flow.sent;
    std::memcpy(payload_.data(), &sequence, sizeof sequence);
    const std::size_t size = from.wrap(payload_, buffers_[i], now);
    if (size == 0) fail("an end is not ready any more");
    pieces[i] = {buffers_[i].data(), size};
    messages[i].msg_hdr.msg_iov = &pieces[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  counts_.sent += count;
  // What the kernel has no room for shows as lost.
  for (std::size_t done = 0; done < count;) {
    const int sent = sendmmsg(from.fd(), &messages[done], static_cast<unsigned>(count - done), 0);
    if (sent <= 0) break;
    done += static_cast<std::size_t>(sent);
  }
}

void Load::look_after() {
  const double now = now_s();
  if (now < look_at_) return;
  look_at_ = now + kTendSeconds;
  for (End* end : ends_) end->tend(bench_now());
  for (std::size_t i = 0; i < flows_.size(); ++i) {
    Flow& flow = flows_[i];
    if (outstanding(flow) == 0 || now < flow.progress_at + kStallSeconds) continue;
    counts_.lost += outstanding(flow);
    flow.highest = flow.sent;
    flow.progress_at = now;
    refill(i);
  }
}

}  // namespace bench
