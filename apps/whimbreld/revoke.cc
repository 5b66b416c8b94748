#include "revoke.h"

#include <fmt/core.h>
#include <whimbrel/identity.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "io/key_files.h"
#include "sqlite_registry.h"

using whimbrel::PublicKey;

namespace {

std::vector<PublicKey> keys_of(SqliteRegistry& registry, const std::string& who) {
  if (const auto key = whimbrel::public_key_from_hex(who)) return {*key};
  const auto identity = whimbrel::Identity::parse(who);
  if (!identity) {
    throw std::runtime_error(fmt::format(
        "\"{}\" is neither a key of 64 hex digits nor an identity like str:mallory", who));
  }
  return registry.owners(*identity);
}

}  // namespace

namespace {

std::string database_of(const std::string& state_folder) {
  if (state_folder.empty())
    throw std::runtime_error(
        "a server without a state folder forgets: there is nothing to change in");
  std::string path = state_folder + "/names.sqlite";
  if (!std::filesystem::exists(path))
    throw std::runtime_error(
        fmt::format("there is no {}: name the state folder with --state", path));
  return path;
}

// A server at work holds the database for moments at a time: 5 s of tries. False: never.
template <typename Try>
bool in_a_quiet_moment(Try once) {
  bool done = once();
  for (int i = 0; i < 50 && !done; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    done = once();
  }
  return done;
}

std::string revoke_keys(SqliteRegistry& registry, const std::vector<PublicKey>& keys) {
  std::string done;
  for (const PublicKey& key : keys) {
    const bool written = in_a_quiet_moment([&] { return registry.revoke(key); });
    if (!written) throw std::runtime_error(registry.last_error());
    done += fmt::format("revoked {}\n", whimbrel::to_hex(key.view()));
  }
  return done;
}

}  // namespace

// Whoever has the name, perhaps a thief, must not go on with the certificate for it. Not who has
// only logged in under it: where names come from tokens or are numbers, nobody has claimed them,
// and that key is the right player's.
std::string release(const std::string& state_folder, const std::string& name) {
  const std::string path = database_of(state_folder);
  const auto identity = whimbrel::Identity::parse(name);
  if (!identity)
    throw std::runtime_error(fmt::format("\"{}\" is no identity like str:alice", name));
  SqliteRegistry registry(path);
  const std::vector<PublicKey> keys = registry.claimants(identity->text());
  if (keys.empty())
    throw std::runtime_error(fmt::format("nobody has claimed {} here", identity->text()));
  std::string done = revoke_keys(registry, keys);
  const bool released =
      in_a_quiet_moment([&] { return registry.release(identity->text()).has_value(); });
  if (!released) throw std::runtime_error(registry.last_error());
  return done + fmt::format("released {}\n", identity->text());
}

std::string revoke(const std::string& state_folder, const std::string& who) {
  const std::string path = database_of(state_folder);
  SqliteRegistry registry(path);
  const std::vector<PublicKey> keys = keys_of(registry, who);
  if (keys.empty()) {
    throw std::runtime_error(
        fmt::format("nobody has claimed {} here: give the key itself, 64 hex digits, as the "
                    "player's program shows it",
                    who));
  }
  return revoke_keys(registry, keys);
}
