// The registry in a SQLite file: what was answered survives a crash. Not thread-safe.
#pragma once

#include <sqlite3.h>
#include <whimbrel/identity.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rendezvous/registry.h"

class SqliteRegistry final : public whimbrel::rendezvous::Registry {
 public:
  // Makes the file and its tables if they are missing. Throws std::runtime_error, which names the
  // file and says what to do. `warn` hears what is wrong with it, at most every 10 s.
  using Warn = std::function<void(const std::string& text)>;
  explicit SqliteRegistry(const std::string& path, Warn warn = {});

  std::optional<Answer> owns(std::uint32_t app_id, std::string_view identity,
                             const whimbrel::PublicKey& key) override;
  std::optional<std::size_t> names_of(const whimbrel::PublicKey& key) override;
  Answer claim(std::uint32_t app_id, std::string_view identity,
               const whimbrel::PublicKey& key) override;
  std::optional<std::uint32_t> number_of(std::uint32_t app_id,
                                         const whimbrel::PublicKey& key) override;
  Answer has_number(std::uint32_t app_id, const whimbrel::PublicKey& key) override;
  // The last kKeysOfLoginMax of each identity.
  void note_login(std::uint32_t app_id, std::string_view identity,
                  const whimbrel::PublicKey& key) override;
  Answer revoked(const whimbrel::PublicKey& key) override;

  std::optional<std::vector<whimbrel::PublicKey>> revoked_since(std::int64_t unix_seconds,
                                                                std::size_t keys_max) override;
  // Changes with whatever another connection writes.
  std::int64_t version() override;
  // The keys that claimed an identity, were given it or logged in as it, over all applications.
  std::vector<whimbrel::PublicKey> owners(const whimbrel::Identity& identity);
  // Those of them that claimed it.
  std::vector<whimbrel::PublicKey> claimants(const std::string& identity);

  // Makes a name nobody's, in all applications. How many there were; nothing: it could not be
  // written.
  std::optional<int> release(const std::string& identity);

  // Since when logins are proved as `how` says, which stands for the mode and the key of tokens; 0:
  // always. Where it is another one than the last time, since `now`. Unix time. Nothing:
  // unavailable.
  std::optional<std::int64_t> logins_since(const std::string& how, std::int64_t now);

  // False: it could not be written.
  bool revoke(const whimbrel::PublicKey& key);
  // Writes all that is in it, also while a server is at work, to a file that is not there yet.
  // Empty, or what went wrong.
  std::string copy_to(const std::string& path);
  // Nothing can be written: the file or its file system does not let us.
  bool read_only() const { return sqlite3_db_readonly(database_.get(), "main") != 0; }
  // As if the disk had so many pages of 4 KiB and no more. For tests.
  bool limit_pages_for_test(int pages);
  // Answers that were kUnavailable, and what was wrong the last time, with what to do.
  std::uint64_t unavailable_count() const { return unavailable_count_; }
  const std::string& last_error() const { return last_error_; }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close(database); }
  };
  using Database = std::unique_ptr<sqlite3, Close>;
  using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

  [[noreturn]] void fail() const;
  void execute(const char* sql);
  Statement prepare(const char* sql);
  // Makes a statement ready to be run once more.
  static sqlite3_stmt* fresh(const Statement& statement);
  static void bind(sqlite3_stmt* statement, int place, const whimbrel::PublicKey& key);
  static void bind(sqlite3_stmt* statement, int place, std::string_view text);
  // All that a statement gives.
  static std::vector<whimbrel::PublicKey> keys_of(sqlite3_stmt* statement);
  // Runs a statement that gives no row. False: it could not be done.
  bool run(sqlite3_stmt* statement);
  Answer unavailable();
  static whimbrel::PublicKey key_at(sqlite3_stmt* statement);

  std::string path_;
  Database database_;
  std::string last_error_;
  std::uint64_t unavailable_count_ = 0;
  Warn warn_;
  std::optional<std::chrono::steady_clock::time_point> warned_;
  // Gone before the database is.
  Statement find_name_, count_names_, add_name_, find_number_, add_number_, find_revoked_,
      add_revoked_, list_revoked_, find_owners_, find_version_, release_name_, find_claimants_,
      add_login_, trim_logins_, find_proof_, set_proof_;
};

// Brings what was written into the file itself, so that whoever copies names.sqlite has it. With a
// connection of its own: the disk is waited for in the thread that calls run(), and nobody else
// waits.
class SqliteCheckpoints {
 public:
  explicit SqliteCheckpoints(const std::string& path);
  // What can't be done now is done the next time.
  void run();

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close(database); }
  };
  std::unique_ptr<sqlite3, Close> database_;
};
