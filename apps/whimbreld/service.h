// A whimbreld at work: its state, its sockets and its thread. What main() starts and stops.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "event_log.h"
#include "limit_warnings.h"
#include "relay_names.h"
#include "server/client_file.h"
#include "server/server_loop.h"
#include "settings.h"
#include "site_check.h"
#include "state_folder.h"

// What settings come to, as far as it depends on no state. Changes nothing. Throws
// std::runtime_error.
struct Plan {
  Plan(const Settings& settings, RelayNames& names);

  whimbrel::ServerLoopConfig loop;
  whimbrel::rendezvous::AuthorityConfig login;
  std::vector<SiteCheck::Target> sites;
  std::string proof;  // how logins are proved, for logins_since()
};

// Throws what Service would throw, as far as it can be told without making or changing anything;
// the ports are bound for a moment. A server that is at work with the same state is no fault.
// Throws std::runtime_error.
void check_service(const Settings& settings, Missing missing);

class Service {
 public:
  // Opens state and sockets, and begins to serve. Throws std::runtime_error: what is wrong, and
  // what to do.
  explicit Service(const Settings& settings, Missing missing = Missing::kRefused);
  // Stops at once.
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // Takes over what can change while it serves, and reads all keys of others again. Throws
  // std::runtime_error, and nothing changes.
  void reload(const Settings& settings);
  // What holds now.
  const Settings& settings() const { return settings_; }
  // To be called every second. It does what is due, and may wait for the disk.
  void tick();
  // Clients are told that the server is about to stop. It goes on until the destructor.
  void drain(std::chrono::seconds time);
  bool draining() const { return draining_; }
  // Nobody is connected, and no slot is open.
  bool deserted();
  // Questions that the database could not answer.
  std::uint64_t unavailable_count();

  std::string public_key_hex() const;
  std::string authority_hex() const;
  std::string listening() const;
  whimbrel::ServerLoop& loop() { return *loop_; }

 private:
  void log_events();
  whimbrel::ClientBook* open_clients(const Settings& settings);
  std::int64_t logins_since(const std::string& proof);

  Settings settings_;
  std::unique_ptr<RelayNames> relay_names_;
  ServerState state_;
  std::unique_ptr<whimbrel::ClientFile> clients_;   // null: the state is in memory
  std::unique_ptr<SqliteCheckpoints> checkpoints_;  // null: the state is in memory
  LimitWarnings limit_warnings_;
  EventLog event_log_;
  std::unique_ptr<SiteCheck> site_check_;
  std::chrono::steady_clock::time_point next_look_{};
  std::unique_ptr<whimbrel::rendezvous::Authority> authority_;
  std::unique_ptr<whimbrel::ServerLoop> loop_;
  std::thread thread_;
  std::atomic<bool> draining_{false};
};
