// Many users of one server, who are simulated, and their server, whose time is real: each datagram
// that comes to it takes as long as it really takes, and what comes meanwhile waits. All log in;
// then the server is killed, and starts again after a second.
//
//   bench_returns local --row 20000    so many users, over lines of 25 ms each way
#include <cmath>
#include <deque>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "measure.h"
#include "rendezvous/client.h"
#include "site/site.h"

namespace bench {
namespace {

using namespace whimbrel;

constexpr UnixMillis kUnixStart = 1'800'000'000'000;
constexpr Duration kWay = milliseconds(25);
constexpr double kLoginsPerSecond = 1000;  // of the first time
constexpr Duration kDown = seconds(1);
constexpr Duration kPatience = seconds(300);
constexpr std::size_t kInboxMax = 2000;    // as 4 MB of a socket hold
constexpr std::size_t kServedAtOnce = 48;  // as the server takes from its socket

Duration cpu_time() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return seconds(t.tv_sec) + Duration(t.tv_nsec);
}

class MemoryBook final : public ClientBook {
 public:
  std::vector<SessionLine> take_last() override {
    std::vector<SessionLine> all;
    for (const auto& [place, line] : lines_) all.push_back(line);
    lines_.clear();
    return all;
  }
  void note(std::size_t place, const SessionLine& line) override { lines_[place] = line; }
  void erase(std::size_t place) override { lines_.erase(place); }

 private:
  std::map<std::size_t, SessionLine> lines_;
};

const Identity& server_name() {
  static const Identity name = Identity::generic_string(rendezvous::kServerName);
  return name;
}

// A thousand users a network.
IpAddress address_of(std::uint32_t user) {
  const std::uint32_t network = user / 250;
  return IpAddress::v4(10, static_cast<std::uint8_t>(network >> 8),
                       static_cast<std::uint8_t>(network), static_cast<std::uint8_t>(user % 250),
                       4000);
}
std::uint32_t user_at(const IpAddress& address) {
  return (address.bytes[13] * 256u + address.bytes[14]) * 250 + address.bytes[15];
}

struct User {
  User(std::uint32_t number, const IpAddress& server, const PublicKey& key, Random& random,
       Instant now, const WallClock& clock)
      : control(config(random), random, now, clock),
        client({0, "str:user" + std::to_string(number), ""}) {
    control.set_route(server_name(), server, key);
  }
  static EndpointConfig config(Random& random) {
    EndpointConfig config;
    config.keys = generate_x25519(random);
    config.tells_ends = true;
    config.session.idle_timeout = seconds(24 * 3600);
    config.session.timeout_initial = seconds(3);
    config.session.timeout_connected = seconds(5);
    config.session.keep_alive = Duration::zero();
    return config;
  }

  Endpoint control;
  rendezvous::Client client;
  bool here = false;
  Instant wake = kNever;        // that is queued
  Instant connect_at = kNever;  // after a loss
  unsigned tries = 0;
};

class Scene {
 public:
  explicit Scene(std::uint32_t users) {
    config_.keys = generate_x25519(random_);
    config_.relay = false;
    config_.clients = &book_;
    for (std::uint32_t i = 0; i < users; ++i) {
      users_.push_back(
          std::make_unique<User>(i, kServer, config_.keys.public_key, random_, now_, clock_));
      at(now_ + Duration(static_cast<std::int64_t>(i / kLoginsPerSecond * 1e9)), i);
      users_.back()->connect_at =
          now_ + Duration(static_cast<std::int64_t>(i / kLoginsPerSecond * 1e9));
    }
  }
  void start_server() {
    site_ = std::make_unique<Site>(config_, &authority_, keys_, random_, now_, clock_.at(now_));
    free_at_ = now_;
    spent_ = Duration::zero();
    inbox_.clear();
    serve();
  }
  void kill_server() { site_.reset(); }
  // Until so many are online, by the server's count; the simulated time that it took.
  Duration run_until(std::size_t online) {
    const Instant begin = now_;
    while (site_->control()->server().user_count() < online) {
      if (now_ > begin + kPatience) fail("not all came");
      step();
      show_progress();
    }
    return now_ - begin;
  }
  void run_for(Duration time) {
    const Instant end = now_ + time;
    while (!events_.empty() && events_.top().when <= end) step();
    now_ = end;
  }
  Duration spent() const { return spent_; }
  std::size_t count() const { return users_.size(); }
  std::size_t online() const { return site_ ? site_->control()->server().user_count() : 0; }

 private:
  static constexpr std::uint32_t kNobody = ~0u;  // the server
  struct Event {
    Instant when;
    std::uint64_t number;
    std::uint32_t user;  // who acts
    std::uint32_t from = kNobody;
    std::shared_ptr<std::vector<std::uint8_t>> datagram;  // none: time passes
    bool operator<(const Event& other) const {
      return std::tie(other.when, other.number) < std::tie(when, number);
    }
  };

  void at(Instant when, std::uint32_t user, std::uint32_t from = kNobody, Bytes datagram = {}) {
    Event event{when, ++numbers_, user, from, nullptr};
    if (!datagram.empty())
      event.datagram =
          std::make_shared<std::vector<std::uint8_t>>(datagram.begin(), datagram.end());
    events_.push(std::move(event));
  }
  // It takes minutes.
  void show_progress() {
    if (now_ < shown_ + seconds(10)) return;
    shown_ = now_;
    std::fprintf(stderr, "%4.0f s simulated: %zu online\n", to_seconds(now_ - Instant()), online());
  }
  void step() {
    const Event event = events_.top();
    events_.pop();
    now_ = std::max(now_, event.when);
    if (event.user == kNobody) {
      if (event.datagram && inbox_.size() < kInboxMax) inbox_.push_back(event);
      if (site_ && now_ >= free_at_) serve();
      return;
    }
    User& user = *users_[event.user];
    if (event.datagram) {
      user.control.receive(kServer, *event.datagram, now_);
    } else {
      if (event.when != user.wake && event.when != user.connect_at) return;  // an old one
      user.wake = kNever;
    }
    settle(event.user);
  }
  // The server is busy as long as it really is; what it says leaves then.
  void serve() {
    const Duration before = cpu_time();
    for (std::size_t i = 0; i < kServedAtOnce && !inbox_.empty(); ++i) {
      site_->receive(address_of(inbox_.front().from), *inbox_.front().datagram, now_);
      inbox_.pop_front();
    }
    site_->advance(now_);
    std::vector<std::pair<IpAddress, std::vector<std::uint8_t>>> out;
    while (const auto one = site_->poll_transmit(buffer_, now_)) {
      for (std::size_t i = 0; i < one->size; i += one->segment_size) {
        const std::size_t size = std::min(one->segment_size, one->size - i);
        out.emplace_back(one->to, std::vector(buffer_.begin() + static_cast<long>(i),
                                              buffer_.begin() + static_cast<long>(i + size)));
      }
    }
    const Instant next = site_->next_deadline();
    const Duration cost = cpu_time() - before;
    spent_ += cost;
    free_at_ = now_ + cost;
    for (const auto& [to, bytes] : out) at(free_at_ + kWay, user_at(to), kNobody, bytes);
    const Instant wake = inbox_.empty() ? std::max(next, free_at_ + microseconds(10)) : free_at_;
    if (wake < server_wake_ || server_wake_ <= now_) {
      server_wake_ = wake;
      at(wake, kNobody);
    }
  }
  void settle(std::uint32_t number) {
    User& user = *users_[number];
    if (now_ >= user.connect_at) {
      user.connect_at = kNever;
      user.client.on_connected(now_);
    }
    user.control.advance(now_);
    user.client.advance(now_);
    user.control.take_messages(delivered_);
    for (const DeliveredMessage& one : delivered_) {
      user.client.on_message(one.message.payload, now_);
      user.control.consumed(one.session, one.message.place, one.message.reliable,
                            one.message.payload.size(), 1, now_);
    }
    delivered_.clear();
    while (const auto event = user.control.poll_event()) {
      if (std::holds_alternative<SessionFailedEvent>(*event)) lose(user);
    }
    while (const auto event = user.client.poll_event()) {
      if (std::holds_alternative<rendezvous::OnlineEvent>(*event)) user.tries = 0;
      if (std::holds_alternative<rendezvous::SilentEvent>(*event) ||
          std::holds_alternative<rendezvous::LoginRefusedEvent>(*event)) {
        user.control.close_session(server_name(), now_);
        lose(user);
      }
    }
    while (const auto message = user.client.poll_output()) {
      const Result sent = user.control.send(server_name(), SharedBytes::copy(*message),
                                            kSendReliable | kSendAutoRestartBrokenSession, 0, now_);
      if (sent != Result::kOk) lose(user);
    }
    while (const auto out = user.control.poll_transmit(buffer_, now_)) {
      for (std::size_t i = 0; i < out->size; i += out->segment_size)
        at(now_ + kWay, kNobody, number,
           Bytes(buffer_).subspan(i, std::min(out->segment_size, out->size - i)));
    }
    const Instant next =
        std::min({user.control.next_deadline(), user.client.next_deadline(), user.connect_at});
    if (next == user.wake || next == kNever) return;
    user.wake = std::max(next, now_ + microseconds(10));
    at(user.wake, number);
  }
  // As Network::Online does: at once, and then after 250 ms, doubled each time up to 15 s, give or
  // take a quarter.
  void lose(User& user) {
    user.client.on_disconnected(now_);
    const double wait = user.tries == 0 ? 0 : std::min(0.25 * std::pow(2, user.tries - 1), 15.0);
    ++user.tries;
    user.connect_at =
        now_ + Duration(static_cast<std::int64_t>(wait * (0.75 + 0.5 * random_.unit()) * 1e9));
  }

  const IpAddress kServer = IpAddress::v4(192, 0, 2, 1, 4040);
  Instant now_{};
  const WallClock clock_{now_, kUnixStart};
  FastRandom random_{1};
  relay::SiteKeys keys_{Secret()};
  rendezvous::MemoryRegistry registry_;
  rendezvous::Authority authority_{unlimited(), SigningKey::generate(random_), registry_};
  static rendezvous::AuthorityConfig unlimited() {
    rendezvous::AuthorityConfig made;
    made.new_names_per_minute = made.new_names_of_network_per_minute = 1'000'000;
    return made;
  }
  SiteConfig config_;
  MemoryBook book_;
  std::unique_ptr<Site> site_;
  std::deque<Event> inbox_;  // of the server's socket
  Instant free_at_{}, server_wake_{};
  Duration spent_{};
  Instant shown_{};
  std::vector<std::unique_ptr<User>> users_;
  std::priority_queue<Event> events_;
  std::uint64_t numbers_ = 0;
  std::vector<std::uint8_t> buffer_ = std::vector<std::uint8_t>(65536);
  std::vector<DeliveredMessage> delivered_;
};

double in_seconds(Duration time) { return to_seconds(time); }

void measure(const Arguments& arguments) {
  alarm(1200);
  const auto count = static_cast<std::uint32_t>(std::atoi(arguments.row.c_str()));
  if (count == 0) fail("--row: how many users");
  Scene scene(count);
  scene.start_server();
  scene.run_until(count);
  const double first_cpu = in_seconds(scene.spent());
  scene.run_for(seconds(15));
  scene.kill_server();
  scene.run_for(kDown);
  scene.start_server();
  const double half = in_seconds(scene.run_until(count / 2));
  const double all = half + in_seconds(scene.run_until(count));
  print_result({{"users", count},
                {"half_s", half},
                {"all_s", all},
                {"login_us", first_cpu / count * 1e6},
                {"return_us", in_seconds(scene.spent()) / count * 1e6}});
  std::_Exit(0);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  return run_part(start(argc, argv), measure, {}, measure);
}
