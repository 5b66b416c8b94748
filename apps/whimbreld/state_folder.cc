#include "state_folder.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <vector>

#include "crypto/secure_random.h"
#include "io/file_descriptor.h"
#include "io/key_files.h"
#include "io/system_random.h"
#include "sqlite_fault.h"

using namespace whimbrel;

namespace {

template <typename Value>
Value value_or_throw(Expected<Value> result) {
  if (!result) throw std::runtime_error(result.error());
  return std::move(*result);
}

// Of a file that an earlier start may have made.
template <typename Value>
Value state_value_or_throw(const std::string& path, Expected<Value> result) {
  std::error_code ignored;
  if (!result && std::filesystem::exists(path, ignored)) {
    throw std::runtime_error(
        result.error() +
        "; put the copy that \"whimbreld --backup\" made, or another one, in its place");
  }
  return value_or_throw(std::move(result));
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

[[noreturn]] void fail_to_make(const std::string& folder, const std::string& why) {
  throw std::runtime_error(fmt::format(
      "can't make the state folder {}: {}; name another one with --state", folder, why));
}

void make_folder(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  const bool made = fs::create_directories(folder, error);
  if (error) fail_to_make(folder, error.message());
  if (made) fs::permissions(folder, fs::perms::owner_all, error);
  check_permissions(folder);
}

// What make_folder() would say. True: the folder is there.
bool check_folder(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path at = fs::absolute(folder, error).lexically_normal();
  fs::file_status status = fs::status(at, error);
  const bool there = fs::exists(status);
  while (!fs::exists(status) && status.type() == fs::file_type::not_found &&
         at.has_relative_path()) {
    at = at.parent_path();
    status = fs::status(at, error);
  }
  if (!fs::is_directory(status))
    fail_to_make(folder, std::strerror(fs::exists(status) ? ENOTDIR : error.value()));
  if (there) check_permissions(folder);
  if (!there && ::access(at.c_str(), W_OK | X_OK) != 0) fail_to_make(folder, std::strerror(errno));
  return there;
}

SigningKey read_or_make_authority(const std::string& path, Random& random) {
  if (!std::filesystem::exists(path)) value_or_throw(make_authority(path, random));
  return state_value_or_throw(path, read_authority_secret(path));
}

// The files of a state, and what it means to have a new one.
struct StateFile {
  const char* name;
  const char* loss;
};
constexpr std::array kFiles = {
    StateFile{"server.key", "players who were told the old key take this server for another"},
    StateFile{"authority", "players who were told of the old one refuse everybody"},
    StateFile{"site.key", "servers that list this relay need a copy of the new one"},
    StateFile{"names.sqlite", "all names can be claimed anew, and no key is revoked"},
};

// Or hidden from us.
bool is_there(const std::string& path) {
  std::error_code unknown;
  return std::filesystem::exists(path, unknown) || unknown;
}

bool has_content(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  // What is no file is not missing either: whoever reads it says what it is.
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) return true;
  const auto size = std::filesystem::file_size(path, error);
  return !error && size > 0;
}

// Some without the others: a copy that was not whole, a disk that was full. It must not look as if
// all were well.
void check_complete(const std::string& folder) {
  std::vector<std::string> here, missing;
  for (const StateFile& file : kFiles) {
    if (has_content(folder + "/" + file.name)) {
      here.emplace_back(file.name);
    } else {
      missing.push_back(fmt::format("{} ({})", file.name, file.loss));
    }
  }
  if (here.empty() || missing.empty()) return;
  throw std::runtime_error(
      fmt::format("the state folder {} has {}, but not, or empty: {}. Put the missing back from a "
                  "backup; or start once with --make-missing, and bear what stands in brackets",
                  folder, fmt::join(here, ", "), fmt::join(missing, ", ")));
}

}  // namespace

namespace {

[[noreturn]] void fail_to_lock(const std::string& path) {
  const int error = errno;
  throw std::runtime_error(fmt::format("can't write {}: {}{}", path, std::strerror(error),
                                       error == EACCES || error == EPERM
                                           ? "; the folder and all that is in it are to belong to "
                                             "the user that runs whimbreld (\"chown -R\")"
                                           : ""));
}

// Where the file system has no locks, it is ours.
bool lock(int file) { return ::flock(file, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK; }

// What StateLock would say, but for one thing. True: another server has it.
bool check_lock(const std::string& folder) {
  const std::string path = folder + "/lock";
  const FileDescriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (file.valid()) return !lock(file.get());
  if (errno != ENOENT) fail_to_lock(path);
  if (::access(folder.c_str(), W_OK | X_OK) != 0) fail_to_lock(path);
  return false;
}

}  // namespace

StateLock::StateLock(const std::string& folder) {
  const std::string path = folder + "/lock";
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file_ < 0) fail_to_lock(path);
  if (lock(file_)) return;
  ::close(file_);
  throw std::runtime_error(
      fmt::format("another whimbreld uses the state folder {}: stop it, or name a folder of this "
                  "one's own with --state",
                  folder));
}

StateLock::~StateLock() {
  if (file_ >= 0) ::close(file_);
}

namespace {

std::unique_ptr<SqliteRegistry> open_database(const std::string& folder,
                                              SqliteRegistry::Warn warn) {
  const std::string path = folder + "/names.sqlite";
  // Before it is opened: SQLite would leave a journal that nobody can clear away.
  const bool barred = ::access(path.c_str(), W_OK) != 0 && errno != ENOENT;
  auto database = barred ? nullptr : std::make_unique<SqliteRegistry>(path, std::move(warn));
  if (database != nullptr && !database->read_only()) return database;
  throw std::runtime_error(fmt::format("the database {} can't be written: {}", path,
                                       sqlite_cure(SQLITE_READONLY, 0, false, path)));
}

void read_or_make_state(const std::string& folder, SqliteRegistry::Warn warn, ServerState& state) {
  SecureRandom random(system_random_seed());
  state.server.secret = state_value_or_throw(
      folder + "/server.key", read_or_make_secret_key(folder + "/server.key", random));
  state.server.public_key = x25519_public(state.server.secret);
  state.authority = read_or_make_authority(folder + "/authority", random);
  state.site_master = state_value_or_throw(folder + "/site.key",
                                           read_or_make_secret_key(folder + "/site.key", random));
  auto database = open_database(folder, std::move(warn));
  state.database = database.get();
  state.registry = std::move(database);
}

// All that a state can have, where it was just made and is of no use.
void remove_state(const std::string& folder) {
  for (const char* name : {"server.key", "authority", "authority.pub", "site.key", "names.sqlite",
                           "names.sqlite-wal", "names.sqlite-shm"}) {
    std::error_code ignored;
    std::filesystem::remove(folder + "/" + name, ignored);
  }
}

bool has_state(const std::string& folder) {
  return std::any_of(kFiles.begin(), kFiles.end(),
                     [&](const StateFile& file) { return is_there(folder + "/" + file.name); });
}

}  // namespace

void give_to_owner_of(const std::string& folder) {
  struct stat owner {};
  if (::geteuid() != 0 || ::stat(folder.c_str(), &owner) != 0 || owner.st_uid == 0) return;
  for (const char* name : {"lock", "server.key", "authority", "authority.pub", "site.key",
                           "clients", "names.sqlite", "names.sqlite-wal", "names.sqlite-shm"}) {
    const std::string path = folder + "/" + name;
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat status {};
    // Of ours alone: whoever owns the folder may have put something else there under this name.
    const bool made_by_us = file.valid() && ::fstat(file.get(), &status) == 0 &&
                            S_ISREG(status.st_mode) && status.st_nlink == 1 && status.st_uid == 0;
    // What cannot be given away the other user will complain about.
    if (made_by_us) (void)!::fchown(file.get(), owner.st_uid, owner.st_gid);
  }
}

namespace {

// However it ends.
class OwnerIsKept {
 public:
  explicit OwnerIsKept(const std::string& folder) : folder_(folder) {}
  ~OwnerIsKept() { give_to_owner_of(folder_); }
  OwnerIsKept(const OwnerIsKept&) = delete;
  OwnerIsKept& operator=(const OwnerIsKept&) = delete;

 private:
  const std::string& folder_;
};

}  // namespace

ServerState open_state(const std::string& folder, Missing missing, SqliteRegistry::Warn warn) {
  ServerState state;
  if (folder.empty()) {
    SecureRandom random(system_random_seed());
    state.server = generate_x25519(random);
    state.authority = SigningKey::generate(random);
    random.fill(state.site_master.bytes);
    state.registry = std::make_unique<rendezvous::MemoryRegistry>();
    return state;
  }
  make_folder(folder);
  const OwnerIsKept kept(folder);
  state.lock = StateLock(folder);
  if (missing == Missing::kRefused) check_complete(folder);
  const bool is_new = !has_state(folder);
  try {
    read_or_make_state(folder, std::move(warn), state);
  } catch (...) {
    // A part of a new state would look like a loss to the next start.
    if (is_new) remove_state(folder);
    throw;
  }
  return state;
}

bool check_state(const std::string& folder, Missing missing) {
  if (folder.empty() || !check_folder(folder)) return false;
  const bool in_use = check_lock(folder);
  if (missing == Missing::kRefused) check_complete(folder);
  const auto there = [&](const char* name) { return is_there(folder + "/" + name); };
  for (const char* name : {"server.key", "site.key"}) {
    if (there(name))
      state_value_or_throw(folder + "/" + name, read_secret_key(folder + "/" + name));
  }
  if (there("authority"))
    state_value_or_throw(folder + "/authority", read_authority_secret(folder + "/authority"));
  if (there("names.sqlite")) open_database(folder, {});
  return in_use;
}

std::string backup_state(const std::string& folder, const std::string& to) {
  namespace fs = std::filesystem;
  const std::string from = folder + "/names.sqlite";
  if (!fs::exists(from))
    throw std::runtime_error(
        fmt::format("there is no {}: name the state folder with --state", from));
  std::error_code error;
  if (fs::exists(to) && !fs::is_empty(to, error))
    throw std::runtime_error(fmt::format("{} is there already: name a new folder", to));
  make_folder(to);
  try {
    for (const char* name : {"server.key", "authority", "authority.pub", "site.key"}) {
      if (!fs::exists(folder + "/" + name)) continue;
      fs::copy_file(folder + "/" + name, to + "/" + name, error);
      if (error)
        throw std::runtime_error(fmt::format("can't copy {} to {}: {}", name, to, error.message()));
    }
    const std::string failed = SqliteRegistry(from).copy_to(to + "/names.sqlite");
    if (!failed.empty())
      throw std::runtime_error(fmt::format("can't copy {} to {}: {}", from, to, failed));
  } catch (...) {
    // Half a copy is worse than none.
    remove_state(to);
    fs::remove(to, error);
    throw;
  }
  return fmt::format("copied {} to {}; a server starts from it with --state {}\n", folder, to, to);
}
