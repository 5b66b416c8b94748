#include "admin.h"

#include <fmt/core.h>
#include <httplib.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "admin_address.h"
#include "base/ip_address.h"
#include "metrics.h"

using namespace whimbrel;

namespace {

using Clock = std::chrono::steady_clock;

// From the first byte of a question to the last of its answer.
constexpr std::chrono::seconds kRequestTime{2};
// A question has no body.
constexpr std::size_t kRequestBytesMax = 16 * 1024;
// Answered at a time. Where all are taken, who has taken longest to ask gives way.
constexpr std::size_t kWorkers = 8;

// Sockets that are being served, the oldest first.
class Connections {
 public:
  // False: there are to be none any more.
  bool add(int socket) {
    const std::lock_guard lock(mutex_);
    if (!ended_) open_.push_back({socket, State::kAsking});
    return !ended_;
  }
  void remove(int socket) {
    const std::lock_guard lock(mutex_);
    std::erase_if(open_, [socket](const One& one) { return one.socket == socket; });
  }
  void set_answering(int socket) {
    const std::lock_guard lock(mutex_);
    for (One& one : open_) {
      if (one.socket == socket) one.state = State::kAnswering;
    }
  }
  // There is one more to serve.
  void make_room() {
    const std::lock_guard lock(mutex_);
    if (open_.size() < kWorkers) return;
    const auto oldest = std::find_if(open_.begin(), open_.end(),
                                     [](const One& one) { return one.state == State::kAsking; });
    if (oldest == open_.end()) return;
    // It keeps its worker for a moment still: the next one that comes puts out another.
    oldest->state = State::kPutOut;
    ::shutdown(oldest->socket, SHUT_RDWR);
  }
  void end_all() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    for (const One& one : open_) ::shutdown(one.socket, SHUT_RDWR);
  }

 private:
  enum class State { kAsking, kAnswering, kPutOut };
  struct One {
    int socket;
    State state;
  };
  std::mutex mutex_;
  std::vector<One> open_;
  bool ended_ = false;
};

// One connection, as long as it may last.
class TimedStream : public httplib::Stream {
 public:
  TimedStream(int socket, Connections& connections) : socket_(socket), connections_(connections) {}

  bool is_readable() const override { return wait(POLLIN); }
  bool is_writable() const override { return wait(POLLOUT); }
  ssize_t read(char* to, std::size_t size) override {
    if (read_ >= kRequestBytesMax || !wait(POLLIN)) return -1;
    const ssize_t got = ::recv(socket_, to, std::min(size, kRequestBytesMax - read_), 0);
    if (got > 0) read_ += static_cast<std::size_t>(got);
    return got;
  }
  ssize_t write(const char* from, std::size_t size) override {
    if (!wait(POLLOUT)) return -1;
    if (!answering_) connections_.set_answering(socket_);
    answering_ = true;
    return ::send(socket_, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  // Nobody asks where a question came from.
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return socket_; }

 private:
  bool wait(short events) const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now());
    pollfd one{socket_, events, 0};
    return left.count() > 0 && ::poll(&one, 1, static_cast<int>(left.count())) == 1 &&
           (one.revents & events) != 0;
  }

  int socket_;
  Connections& connections_;
  Clock::time_point end_ = Clock::now() + kRequestTime;
  std::size_t read_ = 0;
  bool answering_ = false;
};

class Workers : public httplib::ThreadPool {
 public:
  explicit Workers(Connections& connections) : ThreadPool(kWorkers), connections_(connections) {}
  void enqueue(std::function<void()> job) override {
    connections_.make_room();
    ThreadPool::enqueue(std::move(job));
  }

 private:
  Connections& connections_;
};

}  // namespace

// One question each connection: a scraper that keeps its own open would keep a worker.
class AdminHttp : public httplib::Server {
 public:
  AdminHttp() {
    new_task_queue = [this] { return new Workers(connections_); };
    // Alone on its port: httplib shares it (SO_REUSEPORT) unless told otherwise. The next start
    // need not wait for old connections.
    set_socket_options([](socket_t socket) {
      const int yes = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    set_pre_routing_handler([](const httplib::Request& request, httplib::Response& response) {
      if (request.method == "GET" || request.method == "HEAD") return HandlerResponse::Unhandled;
      response.status = 405;
      response.set_header("Allow", "GET, HEAD");
      return HandlerResponse::Handled;
    });
  }
  void end() {
    connections_.end_all();
    stop();
  }

 private:
  bool process_and_close_socket(socket_t socket) override {
    bool answered = false;
    if (connections_.add(socket)) {
      TimedStream stream(socket, connections_);
      bool closed = false;
      answered = process_request(stream, true, closed, nullptr);
      connections_.remove(socket);
    }
    ::shutdown(socket, SHUT_RDWR);
    ::close(socket);
    return answered;
  }

  Connections connections_;
};

Admin::Admin(const std::string& listen, Service& service) : http_(std::make_unique<AdminHttp>()) {
  check_admin_port(listen, false);
  const IpAddress address = admin_address(listen);
  IpAddress host = address;
  host.port = 0;
  // Asks the serving thread, too: a page that does not come means that it hangs.
  http_->Get("/healthz", [&service](const httplib::Request&, httplib::Response& response) {
    service.loop().with_every_site([](Site&, Instant) {});
    if (service.draining()) response.status = 503;
    response.set_content(service.draining() ? "draining\n" : "ok\n", "text/plain");
  });
  http_->Get("/metrics", [&service](const httplib::Request&, httplib::Response& response) {
    response.set_content(metrics_text(service), "text/plain; version=0.0.4");
  });
  if (address.port == 0) {
    port_ = http_->bind_to_any_port(host.text());
  } else if (http_->bind_to_port(host.text(), address.port)) {
    port_ = address.port;
  }
  if (port_ <= 0) {
    throw std::runtime_error(fmt::format("admin.listen: can't listen on {}", listen));
  }
  thread_ = std::thread([this] { http_->listen_after_bind(); });
  // Until then end() would be forgotten.
  while (!http_->is_running()) std::this_thread::yield();
}

Admin::~Admin() {
  http_->end();
  thread_.join();
}
