#include "server/client_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace whimbrel {
namespace {

class ClientFileTest : public testing::Test {
 protected:
  ClientFileTest() {
    std::string made = testing::TempDir() + "clients-XXXXXX";
    folder = ::mkdtemp(made.data());
    path = folder + "/clients";
  }
  ~ClientFileTest() override { std::filesystem::remove_all(folder); }
  std::unique_ptr<ClientFile> open() {
    auto file = ClientFile::open(path);
    EXPECT_TRUE(file.ok()) << file.error();
    return std::move(*file);
  }
  static SessionLine line(std::uint32_t i) {
    return {IpAddress::v4(10, 0, 0, static_cast<std::uint8_t>(i), 4000), i, 1000 + i};
  }

  std::string folder;
  std::string path;
};

TEST_F(ClientFileTest, TheNextLifeReadsItOnce) {
  {
    const auto file = open();
    EXPECT_TRUE(file->take_last().empty());
    for (std::uint32_t i = 1; i <= 3; ++i) file->note(i - 1, line(i));
    file->note(0, line(7));
    file->erase(1);
  }
  EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms(0600));
  EXPECT_EQ(open()->take_last(), (std::vector{line(7), line(3)}));
  EXPECT_TRUE(open()->take_last().empty());
}

TEST_F(ClientFileTest, WhatIsTornOrNonsenseIsLeftOut) {
  {
    const auto file = open();
    for (std::uint32_t i = 1; i <= 3; ++i) file->note(i - 1, line(i));
  }
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(32 + 5);
    file.put('x');
    file.seekp(0, std::ios::end);
    file.write("half a record", 13);
  }
  EXPECT_EQ(open()->take_last(), (std::vector{line(1), line(3)}));
}

TEST_F(ClientFileTest, OfALongAgoLifeNobodyIsCalled) {
  open()->note(0, line(1));
  const auto old = std::filesystem::last_write_time(path) - std::chrono::minutes(2);
  std::filesystem::last_write_time(path, old);
  {
    const auto file = open();
    file->touch();
    EXPECT_EQ(file->take_last(), std::vector{line(1)}) << "it lived a moment ago";
    file->note(0, line(2));
  }
  std::filesystem::last_write_time(path, old);
  EXPECT_TRUE(open()->take_last().empty());
}

TEST_F(ClientFileTest, ThatCannotBeIsAnError) {
  EXPECT_NE(ClientFile::open(folder).error().find(folder), std::string::npos);
  std::filesystem::create_symlink("/dev/zero", path);
  EXPECT_FALSE(ClientFile::open(path).ok());
}

}  // namespace
}  // namespace whimbrel
