#include "sqlite_registry.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "sqlite_fault.h"
#include "state_folder.h"

namespace {

namespace fs = std::filesystem;
using whimbrel::PublicKey;
using Answer = whimbrel::rendezvous::Registry::Answer;

PublicKey key_of(std::uint8_t fill) {
  PublicKey key;
  key.bytes.fill(fill);
  return key;
}

class SqliteRegistryTest : public testing::Test {
 protected:
  SqliteRegistryTest() {
    std::string name = (fs::temp_directory_path() / "whimbreld-test-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    path_ = folder_ + "/names.sqlite";
  }
  ~SqliteRegistryTest() override { fs::remove_all(folder_); }

  std::string folder_;
  std::string path_;
};

TEST_F(SqliteRegistryTest, NamesSurviveARestart) {
  {
    SqliteRegistry registry(path_);
    EXPECT_EQ(registry.claim(1, "str:alice", key_of(1)), Answer::kYes);
    EXPECT_EQ(registry.claim(1, "str:alice", key_of(1)), Answer::kYes);
    EXPECT_EQ(registry.claim(1, "str:alice", key_of(2)), Answer::kNo);
    EXPECT_EQ(registry.claim(2, "str:alice", key_of(2)), Answer::kYes) << "another application";
  }
  SqliteRegistry registry(path_);
  EXPECT_EQ(registry.claim(1, "str:alice", key_of(1)), Answer::kYes);
  EXPECT_EQ(registry.claim(1, "str:alice", key_of(2)), Answer::kNo);
}

TEST_F(SqliteRegistryTest, NumbersAreGivenOnceAndKept) {
  {
    SqliteRegistry registry(path_);
    EXPECT_EQ(registry.number_of(1, key_of(1)), 1u);
    EXPECT_EQ(registry.number_of(1, key_of(2)), 2u);
    EXPECT_EQ(registry.number_of(2, key_of(2)), 1u);
    EXPECT_EQ(registry.number_of(1, key_of(1)), 1u);
  }
  SqliteRegistry registry(path_);
  EXPECT_EQ(registry.number_of(1, key_of(2)), 2u);
  EXPECT_EQ(registry.number_of(1, key_of(3)), 3u);
}

TEST_F(SqliteRegistryTest, RevocationsStay) {
  {
    SqliteRegistry registry(path_);
    EXPECT_EQ(registry.revoked(key_of(1)), Answer::kNo);
    EXPECT_TRUE(registry.revoke(key_of(1)));
    EXPECT_EQ(registry.revoked(key_of(1)), Answer::kYes);
  }
  EXPECT_EQ(SqliteRegistry(path_).revoked(key_of(1)), Answer::kYes);
}

TEST_F(SqliteRegistryTest, AFileThatIsNoDatabaseIsNamed) {
  std::ofstream(path_) << "this is not a database, whatever its name says; it is quite long enough "
                          "to be one, though";
  try {
    const SqliteRegistry registry(path_);
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find(path_), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("not a database"), std::string::npos) << error.what();
  }
}

std::string fault_of(const std::string& path) {
  try {
    const SqliteRegistry registry(path);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

TEST_F(SqliteRegistryTest, EachFaultHasItsOwnCure) {
  const auto expect = [&](const std::string& fault, const std::string& cure) {
    EXPECT_NE(fault.find(cure), std::string::npos) << fault;
    EXPECT_NE(fault.find(path_), std::string::npos) << fault;
  };
  { const SqliteRegistry made(path_); }
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &other), SQLITE_OK);
  sqlite3_exec(other, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE", nullptr, nullptr,
               nullptr);
  expect(fault_of(path_), "another program has locked it");
  sqlite3_close(other);
  fs::resize_file(path_, 5000);
  expect(fault_of(path_), "put a copy that \"whimbreld --backup\" made in its place");
  std::ofstream(path_) << std::string(5000, 'x');
  expect(fault_of(path_), "put a copy that \"whimbreld --backup\" made in its place");
  fs::remove(path_);
  fs::create_directory(path_);
  expect(fault_of(path_), "look whether it is a file");
  fs::remove(path_);
  sqlite3_open(path_.c_str(), &other);
  sqlite3_exec(other, "CREATE TABLE names (x)", nullptr, nullptr, nullptr);
  sqlite3_close(other);
  expect(fault_of(path_), "of another program");
}

// Whatever happens, nobody is told to begin with an empty one.
TEST(SqliteCure, NeverThrowsTheNamesAway) {
  for (int result = 1; result < 0x100; ++result) {
    for (const int system_error : {0, ENOSPC, EDQUOT, EFBIG, EIO, EACCES}) {
      for (const bool full : {false, true}) {
        const std::string cure = sqlite_cure(result, system_error, full, "F");
        EXPECT_FALSE(cure.empty());
        for (const char* bad : {"move it away", "empty", "delete", "remove", "make-missing"})
          EXPECT_EQ(cure.find(bad), std::string::npos) << cure;
      }
    }
  }
  EXPECT_NE(sqlite_cure(SQLITE_IOERR, ENOSPC, false, "F").find("make room"), std::string::npos);
  EXPECT_NE(sqlite_cure(SQLITE_IOERR_SHMSIZE, 0, true, "F").find("make room"), std::string::npos);
  EXPECT_NE(sqlite_cure(SQLITE_IOERR, EIO, false, "F").find("dmesg"), std::string::npos);
  EXPECT_NE(sqlite_cure(SQLITE_IOERR_WRITE, EFBIG, false, "F").find("LimitFSIZE"),
            std::string::npos);
  EXPECT_NE(sqlite_cure(SQLITE_READONLY_DIRECTORY, 0, false, "F").find("chown"), std::string::npos);
}

// The next start would take a part for a loss.
TEST_F(SqliteRegistryTest, AStateThatCannotBeMadeWholeLeavesNothing) {
  fs::create_directory(folder_ + "/names.sqlite-journal");
  fs::create_directory(folder_ + "/names.sqlite-wal");
  EXPECT_THROW(open_state(folder_, Missing::kRefused), std::runtime_error);
  EXPECT_FALSE(fs::exists(folder_ + "/server.key"));
  EXPECT_FALSE(fs::exists(folder_ + "/authority.pub"));
  fs::remove(folder_ + "/names.sqlite-journal");
  fs::remove(folder_ + "/names.sqlite-wal");
  EXPECT_NO_THROW(open_state(folder_, Missing::kRefused));
}

TEST_F(SqliteRegistryTest, ALockedDatabaseIsUnavailableAndRecovers) {
  std::vector<std::string> warnings;
  SqliteRegistry registry(path_, [&](const std::string& text) { warnings.push_back(text); });
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_EQ(registry.claim(1, "str:alice", key_of(1)), Answer::kUnavailable);
  EXPECT_NE(registry.last_error().find("locked"), std::string::npos) << registry.last_error();
  EXPECT_EQ(registry.number_of(1, key_of(1)), std::nullopt);
  EXPECT_EQ(registry.unavailable_count(), 2u);
  ASSERT_EQ(warnings.size(), 1u) << "not one for each";
  EXPECT_NE(warnings[0].find(path_), std::string::npos) << warnings[0];
  sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr);
  sqlite3_close(other);
  EXPECT_EQ(registry.claim(1, "str:alice", key_of(1)), Answer::kYes);
}

TEST_F(SqliteRegistryTest, AFullDiskIsUnavailableAndRecovers) {
  SqliteRegistry registry(path_);
  ASSERT_EQ(registry.claim(1, "str:first", key_of(1)), Answer::kYes);
  // No page more than there are: as SQLite sees it, the disk is full.
  ASSERT_TRUE(registry.limit_pages_for_test(1));
  Answer answer = Answer::kYes;
  for (int i = 0; i < 10'000 && answer == Answer::kYes; ++i) {
    answer = registry.claim(1, "str:user" + std::to_string(i), key_of(2));
  }
  EXPECT_EQ(answer, Answer::kUnavailable);
  EXPECT_NE(registry.last_error().find("full"), std::string::npos) << registry.last_error();
  EXPECT_EQ(registry.claim(1, "str:first", key_of(1)), Answer::kYes) << "what is there can be read";
  ASSERT_TRUE(registry.limit_pages_for_test(1'000'000));
  EXPECT_EQ(registry.claim(1, "str:last", key_of(2)), Answer::kYes);
}

TEST_F(SqliteRegistryTest, TheStateFolderKeepsEverything) {
  const std::string state = folder_ + "/deep/state";
  PublicKey server;
  whimbrel::VerifyKey authority;
  {
    const ServerState made = open_state(state, Missing::kRefused);
    server = made.server.public_key;
    authority = made.authority.verify_key();
    EXPECT_EQ(made.registry->claim(1, "str:alice", key_of(1)), Answer::kYes);
  }
  const ServerState again = open_state(state, Missing::kRefused);
  EXPECT_EQ(again.server.public_key, server);
  EXPECT_EQ(again.authority.verify_key(), authority);
  EXPECT_EQ(again.registry->claim(1, "str:alice", key_of(2)), Answer::kNo);
  struct stat status {};
  ASSERT_EQ(::stat(state.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  EXPECT_NE(open_state("", Missing::kRefused).server.public_key,
            open_state("", Missing::kRefused).server.public_key);
}

TEST_F(SqliteRegistryTest, KeysAreFoundByTheNamesThatTheyLoggedInAs) {
  SqliteRegistry registry(path_);
  const auto alice = *whimbrel::Identity::parse("str:alice");
  for (int round = 0; round < 2; ++round) {
    for (std::uint8_t i = 1; i <= 20; ++i) registry.note_login(7, "str:alice", key_of(i));
  }
  EXPECT_EQ(registry.owners(alice).size(), 8u) << "the table does not grow without end";
  registry.note_login(7, "str:bob", key_of(1));
  EXPECT_TRUE(registry.claimants("str:alice").empty());
  EXPECT_EQ(registry.claim(7, "str:carol", key_of(3)), Answer::kYes);
  EXPECT_EQ(registry.claimants("str:carol"), std::vector<PublicKey>{key_of(3)});
  EXPECT_EQ(registry.owners(*whimbrel::Identity::parse("str:bob")).size(), 1u);

  EXPECT_EQ(registry.has_number(7, key_of(9)), Answer::kNo);
  const auto number = registry.number_of(7, key_of(9));
  ASSERT_TRUE(number.has_value());
  EXPECT_EQ(registry.has_number(7, key_of(9)), Answer::kYes);
  EXPECT_EQ(registry.has_number(8, key_of(9)), Answer::kNo) << "another application";
  const auto given =
      whimbrel::Identity::steam_id((std::uint64_t{0x01100001} << 32) | number.value());
  EXPECT_EQ(registry.owners(given), std::vector<PublicKey>{key_of(9)});
  const auto other = whimbrel::Identity::steam_id(number.value());
  EXPECT_TRUE(registry.owners(other).empty()) << "no number of this server's";
}

TEST_F(SqliteRegistryTest, AChangeOfHowLoginsAreProvedHasADate) {
  {
    SqliteRegistry registry(path_);
    EXPECT_EQ(registry.logins_since("open", 1000), 0) << "it has always been so";
    EXPECT_EQ(registry.logins_since("open", 2000), 0);
    EXPECT_EQ(registry.logins_since("token 1", 3000), 3000);
  }
  SqliteRegistry registry(path_);
  EXPECT_EQ(registry.logins_since("token 1", 4000), 3000);
  EXPECT_EQ(registry.logins_since("token 2", 5000), 5000);
  EXPECT_EQ(registry.logins_since("token 1", 6000), 6000) << "back again: a change, too";
}

TEST_F(SqliteRegistryTest, RevocationsOfAnotherProcessAreNoticed) {
  SqliteRegistry serving(path_);
  ASSERT_EQ(serving.claim(7, "str:eve", key_of(3)), Answer::kYes);
  ASSERT_EQ(serving.claim(8, "str:eve", key_of(4)), Answer::kYes);
  const std::int64_t before = serving.version();
  EXPECT_EQ(serving.version(), before);
  EXPECT_EQ(serving.revoked_since(0, 10), std::vector<whimbrel::PublicKey>());
  {
    SqliteRegistry other(path_);
    EXPECT_EQ(other.owners(*whimbrel::Identity::parse("str:eve")).size(), 2u);
    EXPECT_TRUE(other.owners(*whimbrel::Identity::parse("str:nobody")).empty());
    EXPECT_TRUE(other.revoke(key_of(3)));
    EXPECT_TRUE(other.revoke(key_of(4)));
  }
  EXPECT_NE(serving.version(), before);
  EXPECT_EQ(serving.revoked_since(0, 10)->size(), 2u);
  EXPECT_EQ(serving.revoked_since(0, 1)->size(), 1u);
  EXPECT_TRUE(serving.revoked_since(std::int64_t{1} << 40, 10)->empty());
}

// The machine had not asked anybody for the time yet, and thought that it was 1970.
TEST_F(SqliteRegistryTest, ARevocationOfAClockThatWasNotSetCounts) {
  SqliteRegistry registry(path_);
  ASSERT_TRUE(registry.revoke(key_of(3)));
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "UPDATE revoked SET made = 90", nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(other);
  EXPECT_EQ(registry.revoked_since(1'800'000'000, 10)->size(), 1u);
}

}  // namespace
