#include "io/small_file.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace whimbrel {
namespace {

using testing::HasSubstr;

class SmallFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "whimbrel-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  std::string path(const std::string& name) const { return (folder / name).string(); }
  std::string written(const std::string& content) const {
    std::ofstream(path("file"), std::ios::binary) << content;
    return path("file");
  }

  std::filesystem::path folder;
};

TEST_F(SmallFileTest, IsReadWholeUpToItsLimit) {
  for (const std::size_t size : {0u, 1u, 4095u, 4096u, 4097u, 9999u, 10000u}) {
    const SmallFile file = read_small_file(written(std::string(size, 'x')), 10000);
    EXPECT_EQ(file.fault, "");
    EXPECT_EQ(file.content, std::string(size, 'x'));
  }
  const SmallFile file = read_small_file(written(std::string(10001, 'x')), 10000);
  EXPECT_THAT(file.fault, HasSubstr("file': it is too large: it has more than 10000 bytes"));
  EXPECT_EQ(file.content, "");
}

TEST_F(SmallFileTest, WhatIsNoFileIsNamedAndNotWaitedFor) {
  EXPECT_TRUE(read_small_file(path("none"), 10).missing);
  EXPECT_THAT(read_small_file(path(""), 10).fault, HasSubstr("it is a folder, not a file"));
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_THAT(read_small_file(path("pipe"), 10).fault, HasSubstr("it is a pipe, not a file"));
  EXPECT_THAT(read_small_file("/dev/zero", 10).fault, HasSubstr("it is a device, not a file"));
  EXPECT_EQ(read_small_file("/dev/null", 10).fault, "");
  EXPECT_FALSE(read_small_file(written("x") + "/y", 10).missing);
}

TEST(KindOfContent, SaysWhatAFileIs) {
  using namespace std::string_literals;
  EXPECT_EQ(kind_of_content(""), "empty");
  EXPECT_EQ(kind_of_content(" \r\n"), "empty");
  EXPECT_EQ(kind_of_content("-----BEGIN EC PRIVATE KEY-----\nxyz"), "a PEM file (EC PRIVATE KEY)");
  EXPECT_EQ(kind_of_content("SQLite format 3\0 and more"s), "a database");
  EXPECT_EQ(kind_of_content("whimbrel-secret-key 00"), "a whimbrel-secret-key");
  EXPECT_EQ(kind_of_content("whimbrel-secret-keys"), "");
  EXPECT_EQ(kind_of_content("a\0b"s), "no text");
  EXPECT_EQ(kind_of_content("[server]\nstate_folder = \"\xc3\xa4\"\r\n"), "");
}

}  // namespace
}  // namespace whimbrel
