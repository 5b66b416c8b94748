// A server inside your program, for whoever hosts a game, a LAN party or a test. As `whimbreld`
// does, it finds users by name, certifies them, and relays between them. Names live as long as the
// object; so does its key, if there is no file for it. Every call is thread-safe, but for the
// destructor.
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
  std::size_t clients_max = 1'000;  // users logged in at a time, 1 to 100,000; more are refused
};

// After fork() a child's copy does not work: it serves nobody, its calls do nothing, and its
// destructor only frees memory. The parent's server goes on.
class Server {
 public:
  // Binds the addresses and begins to serve, on a thread of its own. nullptr on failure: then
  // `*error` (if given) says in a sentence what is wrong and what to do.
  static std::unique_ptr<Server> create(const ServerConfig& config, std::string* error);
  // Ends at once: users are told nothing. Sessions between users that need no relay live on. No
  // other thread may be inside a call.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Tells the users that the server stops in `time` (1 s to 10 min), and opens no more slots on its
  // relay. It serves until it is destroyed.
  void drain(std::chrono::seconds time);

  // The port that was bound; 0 if that family is not in use.
  std::uint16_t port_v4() const;
  std::uint16_t port_v6() const;
  // Our public key, 64 hex digits. With it in Config::server ("HOST:PORT,KEY") a client takes
  // nobody else for this server.
  std::string public_key_hex() const;
  // Users who are logged in now.
  std::size_t user_count() const;

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace whimbrel
