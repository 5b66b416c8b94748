#include "server/server_loop.h"

#include <sys/resource.h>

#include <algorithm>
#include <thread>

#include "server/shared_port.h"

namespace whimbrel {

namespace {

std::uint32_t threads_of(const ServerLoopConfig& config) {
  if (!config.site.relay) return 1;
  const std::size_t asked =
      config.threads != 0 ? config.threads : std::thread::hardware_concurrency();
  // Every shard has a slot.
  const std::size_t most =
      std::min<std::size_t>(relay::kShardsMax, config.site.relay_config.limits.slots_max);
  return static_cast<std::uint32_t>(
      std::clamp<std::size_t>(asked, 1, std::max<std::size_t>(most, 1)));
}

// Who dialled us at one of several addresses takes an answer from that one alone.
UdpSocket::Settings socket_settings(const ServerLoopConfig& config) {
  UdpSocket::Settings settings = config.sockets;
  settings.answer_from_reached = true;
  return settings;
}

Expected<ServerThread::Sockets> bind_first(const ServerLoopConfig& config) {
  ServerThread::Sockets sockets;
  for (const IpAddress& address : config.listen) {
    for (const auto& bound : sockets) {
      if (bound->is_v4() == address.is_v4()) {
        return Error{
            "two addresses of one family to listen on: give one of IPv4 and one of IPv6 at most"};
      }
    }
    auto socket = UdpSocket::bind(address, socket_settings(config));
    if (!socket) return Error{socket.error()};
    sockets.push_back(std::move(*socket));
  }
  if (sockets.empty()) return Error{"no address to listen on"};
  return sockets;
}

// A thread of its own for all that is not the relay.
bool has_thread_apart(const SiteConfig& site) { return site.relay && site.rendezvous; }

// Of each thread: `shards`, and one more where `apart`. False: this system can't.
bool add_threads(std::vector<ServerThread::Sockets>& sockets, std::uint32_t shards, bool apart,
                 const UdpSocket::Settings& settings) {
  const std::size_t families = sockets.front().size();
  sockets.resize(shards + (apart ? 1 : 0));
  for (std::size_t family = 0; family < families; ++family) {
    auto others = share_port(*sockets.front()[family], shards, apart, settings);
    for (std::size_t i = 0; i < others.size(); ++i) {
      sockets[i + 1].push_back(std::move(others[i]));
    }
    if (others.empty()) {
      sockets.resize(1);
      return false;
    }
  }
  return true;
}

SiteConfig config_of_shard(const SiteConfig& whole, std::uint32_t shard, std::uint32_t shards) {
  SiteConfig config = whole;
  config.relay_config.shard = shard;
  config.relay_config.shards = shards;
  config.relay_config.limits = whole.relay_config.limits.share_of(shard, shards);
  return config;
}

SiteConfig config_of_control(const SiteConfig& whole, std::uint32_t shards) {
  SiteConfig config = whole;
  config.role = SiteRole::kControl;
  config.relay_config.shards = shards;
  return config;
}

}  // namespace

Expected<std::unique_ptr<ServerLoop>> ServerLoop::open(const ServerLoopConfig& config) {
  auto first = bind_first(config);
  if (!first) return Error{first.error()};
  std::vector<ServerThread::Sockets> sockets;
  sockets.push_back(std::move(*first));
  const std::uint32_t threads = threads_of(config);
  const bool apart = has_thread_apart(config.site);
  const bool done =
      (threads == 1 && !apart) || add_threads(sockets, threads, apart, socket_settings(config));
  if (const std::string full = Poller::fault(sockets.size()); !full.empty()) return Error{full};
  std::unique_ptr<ServerLoop> loop(new ServerLoop(config, std::move(sockets)));
  if (!done) {
    loop->warning_ =
        "all has one thread: this system can't tell sockets of one port which datagrams are "
        "theirs (SO_ATTACH_REUSEPORT_CBPF)";
  }
  return loop;
}

std::string ServerLoop::listen_fault(const ServerLoopConfig& config, bool any_port) {
  ServerLoopConfig tried = config;
  for (IpAddress& address : tried.listen) {
    if (any_port) address.port = 0;
  }
  std::string fault = bind_first(tried).error();
  // As it was given.
  for (std::size_t i = 0; i < tried.listen.size(); ++i) {
    const std::string text = tried.listen[i].text();
    const std::size_t at = fault.find(text);
    if (at != std::string::npos) fault.replace(at, text.size(), config.listen[i].text());
  }
  return fault;
}

ServerLoop::ServerLoop(const ServerLoopConfig& config, std::vector<ServerThread::Sockets> sockets) {
  const bool apart = has_thread_apart(config.site) && sockets.size() > 1;
  if (apart) control_ = sockets.size() - 1;
  const auto shards = static_cast<std::uint32_t>(sockets.size() - this->apart());
  for (std::size_t place = 0; place < sockets.size(); ++place) {
    SiteConfig site = place < shards
                          ? config_of_shard(config.site, static_cast<std::uint32_t>(place), shards)
                          : config_of_control(config.site, shards);
    if (place < shards && place != control_) site.role = SiteRole::kRelayShard;
    shards_.push_back(std::make_unique<ServerThread>(
        site, config.site_master, place == control_ ? config.authority : nullptr, clock_,
        config.wall_clock, std::move(sockets[place])));
  }
  for (const auto& shard : shards_) shard->connect(shards_, control_);
}

void ServerLoop::run() {
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < shards_.size(); ++i) {
    threads.emplace_back([&shard = *shards_[i], less_urgent = i == control_] {
      // Of this thread alone. Who logs in waits rather than who plays.
      if (less_urgent) setpriority(PRIO_PROCESS, 0, 5);
      shard.run();
    });
  }
  shards_.front()->run();
  for (std::thread& thread : threads) thread.join();
}

void ServerLoop::stop() {
  for (const auto& shard : shards_) shard->stop();
}

void ServerLoop::with_site(const std::function<void(Site&, Instant now)>& task) {
  shards_[control_]->with_site(task);
}

void ServerLoop::with_every_site(const std::function<void(Site&, Instant now)>& task) {
  for (const auto& shard : shards_) shard->with_site(task);
}

void ServerLoop::close_descriptors() {
  for (const auto& shard : shards_) shard->close_descriptors();
}

UdpSocketStats ServerLoop::socket_stats() const {
  UdpSocketStats sum;
  for (const auto& shard : shards_) shard->add_socket_stats(sum);
  return sum;
}

}  // namespace whimbrel
