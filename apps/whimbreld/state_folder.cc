#include "state_folder.h"

#include <fmt/core.h>

#include <filesystem>
#include <stdexcept>

#include "crypto/secure_random.h"
#include "io/key_files.h"
#include "io/system_random.h"

using namespace whimbrel;

namespace {

template <typename Value>
Value value_or_throw(Expected<Value> result) {
  if (!result) throw std::runtime_error(result.error());
  return std::move(*result);
}

// Whoever may write there can put keys of his own in the place of ours.
void check_permissions(const std::string& folder) {
  namespace fs = std::filesystem;
  const fs::perms others = fs::perms::group_write | fs::perms::others_write;
  if ((fs::status(folder).permissions() & others) != fs::perms::none) {
    throw std::runtime_error(
        fmt::format("the state folder {0} can be written by others: chmod 700 {0}, or name another "
                    "one with --state",
                    folder));
  }
}

void make_folder(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  const bool made = fs::create_directories(folder, error);
  if (error) {
    throw std::runtime_error(
        fmt::format("can't make the state folder {}: {}; name another one with --state", folder,
                    error.message()));
  }
  if (made) fs::permissions(folder, fs::perms::owner_all, error);
  check_permissions(folder);
}

SigningKey read_or_make_authority(const std::string& path, Random& random) {
  if (!std::filesystem::exists(path)) value_or_throw(make_authority(path, random));
  return value_or_throw(read_authority_secret(path));
}

}  // namespace

ServerState open_state(const std::string& folder, SqliteRegistry::Warn warn) {
  SecureRandom random(system_random_seed());
  ServerState state;
  if (folder.empty()) {
    state.server = generate_x25519(random);
    state.authority = SigningKey::generate(random);
    random.fill(state.site_master.bytes);
    state.registry = std::make_unique<rendezvous::MemoryRegistry>();
    return state;
  }
  make_folder(folder);
  state.server.secret = value_or_throw(read_or_make_secret_key(folder + "/server.key", random));
  state.server.public_key = x25519_public(state.server.secret);
  state.authority = read_or_make_authority(folder + "/authority", random);
  state.site_master = value_or_throw(read_or_make_secret_key(folder + "/site.key", random));
  auto database = std::make_unique<SqliteRegistry>(folder + "/names.sqlite", std::move(warn));
  state.database = database.get();
  state.registry = std::move(database);
  return state;
}
