// A server within your program: whoever hosts a game, a LAN party or a test needs no other. It
// finds users by name, certifies them and relays between them, as `whimbreld` does; names and keys
// live as long as it does.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace whimbrel {

struct ServerConfig {
  // UDP "IP:PORT" or "[V6]:PORT", at most one of each family; port 0: any free one.
  std::vector<std::string> listen = {"0.0.0.0:4040"};
  // File with the server's own secret key, made if missing. Empty: a new key each time.
  std::string key_file;
  std::uint32_t app_id = 0;         // the one application served (Config::app_id); 0: any
  std::size_t clients_max = 1'000;  // logged in at a time, 1 to 100,000; further ones are refused
};

// After fork() a child's copy is dead: it serves nobody, its calls do nothing, and destroying it
// only gives back what the child has of it. The parent's goes on.
class Server {
 public:
  // Binds and begins to serve, on a thread of its own. nullptr on failure: then `*error` says in a
  // sentence what is wrong and what to do.
  static std::unique_ptr<Server> create(const ServerConfig& config, std::string* error);
  // Ends at once: users are told nothing. Sessions between users that need no relay live on.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Tells the users that it stops in `time` (1 s to 10 min) and opens no more ways over its relay.
  // It serves until destroyed.
  void drain(std::chrono::seconds time);

  // 0 if that family is not in use.
  std::uint16_t port_v4() const;
  std::uint16_t port_v6() const;
  // For Config::server: "HOST:PORT,KEY" takes nobody else for this server. 64 hex digits.
  std::string public_key_hex() const;
  // Logged in at the moment.
  std::size_t user_count() const;

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace whimbrel
