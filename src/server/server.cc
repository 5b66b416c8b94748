#include <whimbrel/server.h>

#include <algorithm>
#include <thread>

#include "io/abandoned.h"
#include "io/fork_guard.h"
#include "io/key_files.h"
#include "io/system_random.h"
#include "rendezvous/authority.h"
#include "server/server_loop.h"

namespace whimbrel {

namespace {

constexpr std::size_t kClientsMax = 100'000;

std::nullptr_t fail(std::string* error, std::string text) {
  if (error != nullptr) *error = std::move(text);
  return nullptr;
}

}  // namespace

// The loop uses the authority, which uses the registry: they go in this order.
class Server::Impl {
 public:
  Impl(const ServerConfig& config, SecureRandom& random)
      : authority_(authority_config(config), SigningKey::generate(random), registry_) {}
  ~Impl() {
    if (!thread_.joinable()) return;
    loop_->stop();
    thread_.join();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  // Empty, or what is wrong.
  std::string start(const ServerConfig& config, const KeyPair& keys, SecureRandom& random) {
    ServerLoopConfig made;
    for (const std::string& text : config.listen) {
      const auto address = IpAddress::parse(text);
      if (!address) return "listen: \"" + text + "\" is no address with a port, like 0.0.0.0:4040";
      made.listen.push_back(*address);
    }
    made.authority = &authority_;
    random.fill(made.site_master.bytes);
    made.site.keys = keys;
    made.site.rendezvous_limits.clients_max = config.clients_max;
    auto loop = ServerLoop::open(made);
    if (!loop) return loop.error();
    key_ = to_hex(keys.public_key.view());
    loop_ = std::move(*loop);
    thread_ = std::thread([this] { loop_->run(); });
    return "";
  }

  bool forked() const { return fork_guard_.forked(); }
  ServerLoop& loop() { return *loop_; }
  const std::string& key() const { return key_; }

 private:
  static rendezvous::AuthorityConfig authority_config(const ServerConfig& config) {
    rendezvous::AuthorityConfig made;
    if (config.app_id != 0) made.app_id = config.app_id;
    return made;
  }

  const ForkGuard fork_guard_;
  rendezvous::MemoryRegistry registry_;
  rendezvous::Authority authority_;
  std::string key_;
  std::unique_ptr<ServerLoop> loop_;
  std::thread thread_;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() {
  if (!impl_->forked()) return;
  impl_->loop().close_descriptors();
  abandon(std::move(impl_));
}

std::unique_ptr<Server> Server::create(const ServerConfig& config, std::string* error) {
  if (config.clients_max < 1 || config.clients_max > kClientsMax)
    return fail(error, "clients_max is from 1 to 100000");
  SecureRandom random(system_random_seed());
  KeyPair keys;
  if (config.key_file.empty()) {
    keys = generate_x25519(random);
  } else {
    const auto secret = read_or_make_secret_key(config.key_file, random);
    if (!secret) return fail(error, secret.error());
    keys = {*secret, x25519_public(*secret)};
  }
  auto impl = std::make_unique<Impl>(config, random);
  std::string fault = impl->start(config, keys, random);
  if (!fault.empty()) return fail(error, std::move(fault));
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

void Server::drain(std::chrono::seconds time) {
  if (impl_->forked()) return;
  const auto bounded =
      std::clamp<std::chrono::seconds>(time, std::chrono::seconds(1), std::chrono::seconds(600));
  impl_->loop().with_every_site([bounded](Site& site, Instant now) { site.drain(bounded, now); });
}

std::uint16_t Server::port_v4() const { return impl_->loop().port(true); }
std::uint16_t Server::port_v6() const { return impl_->loop().port(false); }
std::string Server::public_key_hex() const { return impl_->key(); }

std::size_t Server::user_count() const {
  std::size_t count = 0;
  if (impl_->forked()) return count;
  impl_->loop().with_site(
      [&count](Site& site, Instant) { count = site.control()->server().user_count(); });
  return count;
}

}  // namespace whimbrel
