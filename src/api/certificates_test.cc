#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <whimbrel/certificates.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace whimbrel {
namespace {

class CertificatesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = (std::filesystem::temp_directory_path() / "whimbrel-XXXXXX").string();
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    folder_ = path;
    authority_ = file("team");
    ASSERT_TRUE(new_authority(authority_, &error_)) << error_;
    request_.identity = Identity::generic_string("alice");
    request_.public_key_hex = public_key_of_file(file("alice.key"), true).value();
    request_.app_id = 7;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& name) const { return (folder_ / name).string(); }
  std::optional<CertificateInfo> issue() {
    return issue_certificate(authority_, request_, file("alice.cert"), &error_);
  }

  std::filesystem::path folder_;
  std::string authority_;
  std::string error_;
  CertificateRequest request_;
};

TEST_F(CertificatesTest, WhatIsIssuedIsWhatIsRead) {
  request_.validity = std::chrono::hours(1);
  const auto issued = issue();
  ASSERT_TRUE(issued) << error_;
  const auto read = describe_certificate(file("alice.cert"), &error_);
  ASSERT_TRUE(read) << error_;
  EXPECT_EQ(read->identity, request_.identity);
  EXPECT_EQ(read->public_key_hex, request_.public_key_hex);
  EXPECT_EQ(read->app_id, 7u);
  EXPECT_EQ(read->serial, issued->serial);
  EXPECT_EQ(read->not_after_unix_s - read->not_before_unix_s, 3600);
  EXPECT_EQ(read->authority_id_hex, issued->authority_id_hex);
}

TEST_F(CertificatesTest, ChecksTheAuthority) {
  ASSERT_TRUE(issue()) << error_;
  EXPECT_TRUE(check_certificate(file("alice.cert"), {authority_ + ".pub"}, &error_)) << error_;
  ASSERT_TRUE(new_authority(file("others")));
  EXPECT_FALSE(check_certificate(file("alice.cert"), {file("others.pub")}, &error_));
  EXPECT_NE(error_.find("another authority"), std::string::npos) << error_;
  EXPECT_TRUE(check_certificate(file("alice.cert"), {file("others.pub"), authority_ + ".pub"}));
}

TEST_F(CertificatesTest, NoticesAChange) {
  ASSERT_TRUE(issue()) << error_;
  std::string text;
  std::getline(std::ifstream(file("alice.cert")), text);
  text.back() = text.back() == '0' ? '1' : '0';  // in the signature
  std::ofstream(file("alice.cert")) << text << "\n";
  EXPECT_FALSE(check_certificate(file("alice.cert"), {authority_ + ".pub"}, &error_));
  EXPECT_NE(error_.find("wrong signature"), std::string::npos) << error_;
}

TEST_F(CertificatesTest, RefusesBadRequests) {
  const CertificateRequest good = request_;
  request_.identity = Identity();
  EXPECT_FALSE(issue());
  request_ = good;
  request_.public_key_hex.pop_back();
  EXPECT_FALSE(issue());
  request_ = good;
  request_.validity = std::chrono::seconds(0);
  EXPECT_FALSE(issue());
  request_.validity = std::chrono::hours(24 * 4000);
  EXPECT_FALSE(issue());
  EXPECT_FALSE(std::filesystem::exists(file("alice.cert")));
}

TEST_F(CertificatesTest, AuthorityStaysAndIsSecret) {
  struct stat status {};
  ASSERT_EQ(::stat(authority_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_FALSE(new_authority(authority_, &error_));
  EXPECT_NE(error_.find("exists"), std::string::npos) << error_;
  EXPECT_TRUE(issue()) << error_;
  EXPECT_TRUE(check_certificate(file("alice.cert"), {authority_ + ".pub"}));
}

TEST_F(CertificatesTest, ThePublicFileIssuesNothing) {
  authority_ += ".pub";
  EXPECT_FALSE(issue());
  EXPECT_FALSE(error_.empty());
}

TEST_F(CertificatesTest, AKeyFileIsMadeOnceAndOnlyOnDemand) {
  EXPECT_FALSE(public_key_of_file(file("bob.key"), false, &error_));
  EXPECT_NE(error_.find("bob.key"), std::string::npos) << error_;
  const auto made = public_key_of_file(file("bob.key"), true);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->size(), 64u);
  EXPECT_EQ(public_key_of_file(file("bob.key"), true), made);
  EXPECT_EQ(public_key_of_file(file("bob.key"), false), made);
}

// While it lives, no file of this process may grow beyond some bytes: the kernel refuses the rest,
// as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    before_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, before_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*before_handler_)(int);
};

TEST_F(CertificatesTest, AFullDiskIsReportedAndLeavesNothingHalf) {
  for (const rlim_t bytes : {0u, 10u}) {
    const FileSizeLimit full(bytes);
    EXPECT_FALSE(issue());
    EXPECT_NE(error_.find("alice.cert"), std::string::npos) << error_;
    EXPECT_FALSE(std::filesystem::exists(file("alice.cert"))) << bytes;
    EXPECT_FALSE(new_authority(file("second"), &error_));
    EXPECT_FALSE(std::filesystem::exists(file("second"))) << bytes;
    EXPECT_FALSE(public_key_of_file(file("bob.key"), true, &error_));
    EXPECT_FALSE(std::filesystem::exists(file("bob.key"))) << bytes;
  }
  EXPECT_TRUE(issue()) << error_;
  EXPECT_TRUE(new_authority(file("second"), &error_)) << error_;
}

TEST_F(CertificatesTest, AFolderInTheWayIsReported) {
  std::filesystem::create_directory(file("alice.cert"));
  EXPECT_FALSE(issue());
  EXPECT_NE(error_.find("alice.cert"), std::string::npos) << error_;
}

TEST_F(CertificatesTest, ErrorsAreOptional) {
  EXPECT_FALSE(describe_certificate(file("nothing")));
  EXPECT_FALSE(check_certificate(file("nothing"), {}));
  EXPECT_FALSE(public_key_of_file(file("nothing"), false));
  EXPECT_FALSE(new_authority(file("no/such/folder/team")));
}

}  // namespace
}  // namespace whimbrel
