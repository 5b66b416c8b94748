#include "sqlite_registry.h"

#include <fmt/core.h>

#include <algorithm>
#include <stdexcept>

#include "rendezvous/authority.h"
#include "sqlite_fault.h"

using whimbrel::PublicKey;

namespace {

// A database that somebody else has locked is waited for so long, no longer: meanwhile nobody is
// served.
constexpr int kBusyMilliseconds = 100;
constexpr std::chrono::seconds kWarnInterval{10};

constexpr const char* kTables = R"(
  CREATE TABLE IF NOT EXISTS names (
    app INTEGER NOT NULL, identity TEXT NOT NULL, key BLOB NOT NULL, made INTEGER NOT NULL DEFAULT (unixepoch()),
    PRIMARY KEY (app, identity)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS names_of_key ON names (key);
  CREATE TABLE IF NOT EXISTS numbers (
    app INTEGER NOT NULL, number INTEGER NOT NULL, key BLOB NOT NULL, made INTEGER NOT NULL DEFAULT (unixepoch()),
    PRIMARY KEY (app, number), UNIQUE (app, key)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS revoked (
    key BLOB NOT NULL PRIMARY KEY, made INTEGER NOT NULL DEFAULT (unixepoch())) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS logins (
    app INTEGER NOT NULL, identity TEXT NOT NULL, key BLOB NOT NULL, made INTEGER NOT NULL DEFAULT (unixepoch()),
    PRIMARY KEY (app, identity, key)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS logins_of_identity ON logins (identity);
  CREATE TABLE IF NOT EXISTS proof (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1), how TEXT NOT NULL, since INTEGER NOT NULL);
)";

}  // namespace

SqliteRegistry::SqliteRegistry(const std::string& path, Warn warn)
    : path_(path), warn_(std::move(warn)) {
  sqlite3* opened = nullptr;
  const int result =
      sqlite3_open_v2(path.c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  database_.reset(opened);
  if (result != SQLITE_OK) fail();
  sqlite3_busy_timeout(database_.get(), kBusyMilliseconds);
  execute("PRAGMA journal_mode = WAL");
  // What was answered outlives the process; the last moments before a power cut need not, and
  // nobody waits for the disk.
  execute("PRAGMA synchronous = NORMAL");
  execute(kTables);
  find_name_ = prepare("SELECT key FROM names WHERE app = ? AND identity = ?");
  count_names_ = prepare("SELECT count(*) FROM names WHERE key = ?");
  release_name_ = prepare("DELETE FROM names WHERE identity = ?");
  add_name_ = prepare("INSERT INTO names (app, identity, key) VALUES (?, ?, ?)");
  find_number_ = prepare("SELECT number FROM numbers WHERE app = ? AND key = ?");
  add_number_ = prepare(
      "INSERT INTO numbers (app, number, key) "
      "SELECT ?1, coalesce(max(number), 0) + 1, ?2 FROM numbers WHERE app = ?1 RETURNING number");
  find_revoked_ = prepare("SELECT 1 FROM revoked WHERE key = ?");
  // One that is older than this program was dated by a clock that had not been set: it counts for
  // good.
  list_revoked_ = prepare(
      "SELECT key FROM revoked WHERE made >= ? OR made < unixepoch('2026-01-01') "
      "ORDER BY made DESC LIMIT ?");
  find_owners_ = prepare(
      "SELECT key FROM names WHERE identity = ?1 UNION SELECT key FROM logins WHERE identity = ?1 "
      "UNION SELECT key FROM numbers WHERE number = ?2");
  find_claimants_ = prepare("SELECT DISTINCT key FROM names WHERE identity = ?");
  add_login_ = prepare("INSERT OR IGNORE INTO logins (app, identity, key) VALUES (?, ?, ?)");
  trim_logins_ = prepare(
      "DELETE FROM logins WHERE app = ?1 AND identity = ?2 AND key NOT IN (SELECT key FROM logins "
      "WHERE app = ?1 AND identity = ?2 ORDER BY made DESC LIMIT ?3)");
  find_proof_ = prepare("SELECT how, since FROM proof");
  set_proof_ = prepare("INSERT OR REPLACE INTO proof (one, how, since) VALUES (1, ?, ?)");
  find_version_ = prepare("PRAGMA data_version");
  add_revoked_ = prepare("INSERT OR IGNORE INTO revoked (key) VALUES (?)");
}

void SqliteRegistry::fail() const {
  throw std::runtime_error(sqlite_fault(database_.get(), path_));
}

void SqliteRegistry::execute(const char* sql) {
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail();
}

SqliteRegistry::Statement SqliteRegistry::prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database_.get(), sql, -1, &statement, nullptr) != SQLITE_OK) fail();
  return Statement(statement);
}

sqlite3_stmt* SqliteRegistry::fresh(const Statement& statement) {
  sqlite3_reset(statement.get());
  sqlite3_clear_bindings(statement.get());
  return statement.get();
}

void SqliteRegistry::bind(sqlite3_stmt* statement, int place, const PublicKey& key) {
  sqlite3_bind_blob(statement, place, key.bytes.data(), static_cast<int>(key.bytes.size()),
                    SQLITE_TRANSIENT);
}

void SqliteRegistry::bind(sqlite3_stmt* statement, int place, std::string_view text) {
  sqlite3_bind_text(statement, place, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
}

bool SqliteRegistry::run(sqlite3_stmt* statement) {
  const bool done = sqlite3_step(statement) == SQLITE_DONE;
  sqlite3_reset(statement);
  if (!done) unavailable();
  return done;
}

SqliteRegistry::Answer SqliteRegistry::unavailable() {
  last_error_ = sqlite_fault(database_.get(), path_);
  ++unavailable_count_;
  // Waiting once was enough: nobody else shall wait for the same lock.
  sqlite3_busy_timeout(database_.get(), 0);
  const auto now = std::chrono::steady_clock::now();
  if (warn_ && (!warned_ || now - *warned_ >= kWarnInterval)) {
    warned_ = now;
    warn_(last_error_ + ". New names and numbers are refused until it can be used again");
  }
  return Answer::kUnavailable;
}

std::optional<SqliteRegistry::Answer> SqliteRegistry::owns(std::uint32_t app_id,
                                                           std::string_view identity,
                                                           const PublicKey& key) {
  sqlite3_stmt* find = fresh(find_name_);
  sqlite3_bind_int64(find, 1, app_id);
  sqlite3_bind_text(find, 2, identity.data(), static_cast<int>(identity.size()), SQLITE_TRANSIENT);
  const int found = sqlite3_step(find);
  std::optional<Answer> answer;
  if (found == SQLITE_ROW) answer = key_at(find) == key ? Answer::kYes : Answer::kNo;
  sqlite3_reset(find);
  if (found != SQLITE_ROW && found != SQLITE_DONE) return unavailable();
  return answer;
}

std::optional<std::size_t> SqliteRegistry::names_of(const PublicKey& key) {
  sqlite3_stmt* count = fresh(count_names_);
  bind(count, 1, key);
  std::optional<std::size_t> names;
  if (sqlite3_step(count) == SQLITE_ROW)
    names = static_cast<std::size_t>(sqlite3_column_int64(count, 0));
  sqlite3_reset(count);
  if (!names) unavailable();
  return names;
}

SqliteRegistry::Answer SqliteRegistry::claim(std::uint32_t app_id, std::string_view identity,
                                             const PublicKey& key) {
  if (const auto known = owns(app_id, identity, key)) return *known;
  sqlite3_stmt* add = fresh(add_name_);
  sqlite3_bind_int64(add, 1, app_id);
  sqlite3_bind_text(add, 2, identity.data(), static_cast<int>(identity.size()), SQLITE_TRANSIENT);
  bind(add, 3, key);
  const int added = sqlite3_step(add);
  sqlite3_reset(add);
  if (added != SQLITE_DONE) return unavailable();
  sqlite3_busy_timeout(database_.get(), kBusyMilliseconds);
  return Answer::kYes;
}

std::optional<std::uint32_t> SqliteRegistry::number_of(std::uint32_t app_id, const PublicKey& key) {
  for (const Statement* statement : {&find_number_, &add_number_}) {
    sqlite3_stmt* run = fresh(*statement);
    sqlite3_bind_int64(run, 1, app_id);
    bind(run, 2, key);
    const int result = sqlite3_step(run);
    std::optional<std::uint32_t> number;
    if (result == SQLITE_ROW) number = static_cast<std::uint32_t>(sqlite3_column_int64(run, 0));
    // RETURNING gives its row before the statement ends.
    const bool ended = result == SQLITE_DONE || (number && sqlite3_step(run) == SQLITE_DONE);
    sqlite3_reset(run);
    if (!ended) {
      unavailable();
      return std::nullopt;
    }
    sqlite3_busy_timeout(database_.get(), kBusyMilliseconds);
    if (number) return number;
  }
  return std::nullopt;
}

SqliteRegistry::Answer SqliteRegistry::has_number(std::uint32_t app_id, const PublicKey& key) {
  sqlite3_stmt* find = fresh(find_number_);
  sqlite3_bind_int64(find, 1, app_id);
  bind(find, 2, key);
  const int found = sqlite3_step(find);
  sqlite3_reset(find);
  if (found == SQLITE_ROW) return Answer::kYes;
  return found == SQLITE_DONE ? Answer::kNo : unavailable();
}

void SqliteRegistry::note_login(std::uint32_t app_id, std::string_view identity,
                                const PublicKey& key) {
  constexpr int kKeysOfLoginMax = 8;
  sqlite3_stmt* add = fresh(add_login_);
  sqlite3_bind_int64(add, 1, app_id);
  bind(add, 2, identity);
  bind(add, 3, key);
  if (!run(add) || sqlite3_changes(database_.get()) == 0) return;
  sqlite3_stmt* trim = fresh(trim_logins_);
  sqlite3_bind_int64(trim, 1, app_id);
  bind(trim, 2, identity);
  sqlite3_bind_int64(trim, 3, kKeysOfLoginMax);
  run(trim);
}

std::optional<std::int64_t> SqliteRegistry::logins_since(const std::string& how, std::int64_t now) {
  sqlite3_stmt* find = fresh(find_proof_);
  const int found = sqlite3_step(find);
  std::int64_t since = 0;
  bool same = false;
  if (found == SQLITE_ROW) {
    same = how == reinterpret_cast<const char*>(sqlite3_column_text(find, 0));
    since = same ? sqlite3_column_int64(find, 1) : now;
  }
  sqlite3_reset(find);
  if (found != SQLITE_ROW && found != SQLITE_DONE) return unavailable(), std::nullopt;
  if (same) return since;
  sqlite3_stmt* set = fresh(set_proof_);
  bind(set, 1, how);
  sqlite3_bind_int64(set, 2, since);
  if (!run(set)) return std::nullopt;
  return since;
}

SqliteRegistry::Answer SqliteRegistry::revoked(const PublicKey& key) {
  sqlite3_stmt* find = fresh(find_revoked_);
  bind(find, 1, key);
  const int found = sqlite3_step(find);
  sqlite3_reset(find);
  if (found == SQLITE_ROW) return Answer::kYes;
  return found == SQLITE_DONE ? Answer::kNo : unavailable();
}

PublicKey SqliteRegistry::key_at(sqlite3_stmt* statement) {
  PublicKey key;
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, 0));
  const auto* bytes = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement, 0));
  if (size == key.bytes.size()) std::copy_n(bytes, size, key.bytes.begin());
  return key;
}

std::optional<std::vector<PublicKey>> SqliteRegistry::revoked_since(std::int64_t unix_seconds,
                                                                    std::size_t keys_max) {
  sqlite3_stmt* list = fresh(list_revoked_);
  sqlite3_bind_int64(list, 1, unix_seconds);
  sqlite3_bind_int64(list, 2, static_cast<sqlite3_int64>(keys_max));
  std::vector<PublicKey> keys;
  int result = SQLITE_ROW;
  while ((result = sqlite3_step(list)) == SQLITE_ROW) keys.push_back(key_at(list));
  sqlite3_reset(list);
  if (result == SQLITE_DONE) return keys;
  unavailable();
  return std::nullopt;
}

std::int64_t SqliteRegistry::version() {
  sqlite3_stmt* find = fresh(find_version_);
  const std::int64_t found = sqlite3_step(find) == SQLITE_ROW ? sqlite3_column_int64(find, 0) : -1;
  sqlite3_reset(find);
  return found;
}

std::vector<PublicKey> SqliteRegistry::owners(const whimbrel::Identity& identity) {
  sqlite3_stmt* find = fresh(find_owners_);
  const std::string name = identity.text();
  bind(find, 1, name);
  sqlite3_bind_int64(find, 2, whimbrel::rendezvous::given_number(identity).value_or(0));
  return keys_of(find);
}

std::vector<PublicKey> SqliteRegistry::claimants(const std::string& identity) {
  sqlite3_stmt* find = fresh(find_claimants_);
  bind(find, 1, identity);
  return keys_of(find);
}

std::vector<PublicKey> SqliteRegistry::keys_of(sqlite3_stmt* statement) {
  std::vector<PublicKey> keys;
  while (sqlite3_step(statement) == SQLITE_ROW) keys.push_back(key_at(statement));
  sqlite3_reset(statement);
  return keys;
}

std::optional<int> SqliteRegistry::release(const std::string& identity) {
  sqlite3_stmt* release = fresh(release_name_);
  bind(release, 1, identity);
  if (!run(release)) return std::nullopt;
  return sqlite3_changes(database_.get());
}

bool SqliteRegistry::limit_pages_for_test(int pages) {
  const std::string pragma = fmt::format("PRAGMA max_page_count = {}", pages);
  return sqlite3_exec(database_.get(), pragma.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK;
}

bool SqliteRegistry::revoke(const PublicKey& key) {
  sqlite3_stmt* add = fresh(add_revoked_);
  bind(add, 1, key);
  const int added = sqlite3_step(add);
  sqlite3_reset(add);
  if (added != SQLITE_DONE) unavailable();
  return added == SQLITE_DONE;
}

std::string SqliteRegistry::copy_to(const std::string& path) {
  const Statement copy = prepare("VACUUM INTO ?");
  sqlite3_bind_text(copy.get(), 1, path.c_str(), -1, SQLITE_TRANSIENT);
  const int result = sqlite3_step(copy.get());
  if (result == SQLITE_DONE) return "";
  const bool ours = result == SQLITE_CORRUPT || result == SQLITE_NOTADB || result == SQLITE_BUSY;
  return sqlite_fault(database_.get(), ours ? path_ : path);
}

SqliteCheckpoints::SqliteCheckpoints(const std::string& path) {
  sqlite3* opened = nullptr;
  sqlite3_open_v2(path.c_str(), &opened, SQLITE_OPEN_READWRITE, nullptr);
  database_.reset(opened);
}

void SqliteCheckpoints::run() {
  sqlite3_exec(database_.get(), "PRAGMA wal_checkpoint(PASSIVE)", nullptr, nullptr, nullptr);
}
