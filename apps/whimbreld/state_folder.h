// What a server keeps on disk: its keys, and the database of names beside them.
#pragma once

#include <memory>
#include <string>

#include "crypto/keys.h"
#include "crypto/secret.h"
#include "rendezvous/registry.h"
#include "sqlite_registry.h"

struct ServerState {
  whimbrel::KeyPair server;        // who the server is
  whimbrel::SigningKey authority;  // signs certificates
  whimbrel::Secret site_master;    // seals relay tokens
  std::unique_ptr<whimbrel::rendezvous::Registry> registry;
  SqliteRegistry* database = nullptr;  // the registry, where it is one
};

// Makes what is missing; the folder is for its owner alone. An empty name: everything is new and in memory, and gone with the
// process. Throws std::runtime_error, which says what is wrong and what to do.
// `warn` hears what goes wrong with the database later.
ServerState open_state(const std::string& folder, SqliteRegistry::Warn warn = {});
