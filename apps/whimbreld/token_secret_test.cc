#include "token_secret.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <vector>

namespace {

namespace fs = std::filesystem;

class TokenSecretTest : public testing::Test {
 protected:
  TokenSecretTest() {
    std::string name = (fs::temp_directory_path() / "whimbreld-test-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~TokenSecretTest() override { fs::remove_all(folder_); }

  // The secret, or what was wrong.
  std::string read(const std::string& content) {
    const std::string path = folder_ + "/secret";
    std::ofstream(path, std::ios::binary) << content;
    warnings_.clear();
    try {
      const auto key =
          read_token_secret(path, [&](const std::string& text) { warnings_.push_back(text); });
      return {key.bytes.begin(), key.bytes.end()};
    } catch (const std::runtime_error& error) {
      return error.what();
    }
  }

  std::string folder_;
  std::vector<std::string> warnings_;
};

TEST_F(TokenSecretTest, OneNewlineIsNoPartOfAText) {
  for (const std::string& secret :
       {std::string(32, 'a'), std::string(64, '0') + " !", std::string(40, 'x') + "\xc3\xa4",
        std::string(32, 'a') + "\n", "two\nlines" + std::string(32, 'a')}) {
    if (!secret.ends_with('\n')) {
      EXPECT_EQ(read(secret), secret);
      EXPECT_TRUE(warnings_.empty());
    }
    for (const char* newline : {"\n", "\r\n"}) {
      EXPECT_EQ(read(secret + newline), secret);
      ASSERT_EQ(warnings_.size(), 1u);
      EXPECT_NE(warnings_[0].find("no part of the secret"), std::string::npos) << warnings_[0];
      EXPECT_EQ(warnings_[0].find(secret), std::string::npos) << "it stays a secret";
    }
  }
}

TEST_F(TokenSecretTest, BytesThatAreNoTextAreTheSecret) {
  for (const std::string& secret :
       {std::string(32, '\x01') + "\n", std::string(32, '\xff') + "\r\n", std::string(33, '\0'),
        std::string(32, 'a') + "\xe4\n"}) {
    EXPECT_EQ(read(secret), secret);
    EXPECT_TRUE(warnings_.empty());
  }
}

TEST_F(TokenSecretTest, TheNewlineDoesNotCountForTheSize) {
  EXPECT_NE(read(std::string(31, 'a') + "\n").find("it has 31 bytes"), std::string::npos);
  EXPECT_NE(read("").find("it is empty"), std::string::npos);
  EXPECT_NE(read("whimbrel-authority " + std::string(64, '0') + "\n").find("a public key"),
            std::string::npos);
  EXPECT_NE(read("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAAAAAAAAAAAAAAA\n").find("a PEM file"),
            std::string::npos);
}

}  // namespace
