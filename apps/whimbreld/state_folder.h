// What a server keeps on disk: its keys, and the database of names beside them.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "crypto/keys.h"
#include "crypto/secret.h"
#include "rendezvous/registry.h"
#include "sqlite_registry.h"

// That no other server uses the folder. Ends with the process, too.
class StateLock {
 public:
  StateLock() = default;
  explicit StateLock(const std::string& folder);
  StateLock(StateLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  StateLock& operator=(StateLock&& other) noexcept {
    std::swap(file_, other.file_);
    return *this;
  }
  ~StateLock();

 private:
  int file_ = -1;
};

struct ServerState {
  StateLock lock;
  whimbrel::KeyPair server;        // who the server is
  whimbrel::SigningKey authority;  // signs certificates
  whimbrel::Secret site_master;    // seals relay tokens
  std::unique_ptr<whimbrel::rendezvous::Registry> registry;
  SqliteRegistry* database = nullptr;  // the registry, where it is one
};

// What is missing or empty where the rest is there: an error, or to be made anew.
enum class Missing { kRefused, kMade };

// Makes a whole new state in a folder that has none; the folder is for its owner alone. An empty
// name: everything is new and in memory, and gone with the process. Throws std::runtime_error,
// which says what is wrong and what to do. `warn` hears what goes wrong with the database later.
ServerState open_state(const std::string& folder, Missing missing, SqliteRegistry::Warn warn = {});

// Where root has worked in the folder of another user, as that of a service: what root made there
// becomes that user's, who could not write it otherwise. open_state() does it by itself.
void give_to_owner_of(const std::string& folder);

// Throws what open_state() would throw, as far as it can be told without making or changing
// anything. True: a server uses the folder now.
bool check_state(const std::string& folder, Missing missing);

// Copies the state of a server, which may be at work, into a new folder. What to tell the operator.
// Throws std::runtime_error.
std::string backup_state(const std::string& folder, const std::string& to);
