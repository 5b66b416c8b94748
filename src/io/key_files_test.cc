#include "io/key_files.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "handshake/certificate.h"

namespace whimbrel {
namespace {

using testing::HasSubstr;

class KeyFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "whimbrel-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  std::string path(const std::string& name) const { return (folder / name).string(); }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(path(name)) << text;
  }

  std::filesystem::path folder;
  FastRandom random{3};
};

TEST_F(KeyFilesTest, MakesASecretKeyOnceForItsOwnerOnly) {
  const auto made = read_or_make_secret_key(path("k"), random);
  ASSERT_TRUE(made.ok()) << made.error();
  struct stat info {};
  ASSERT_EQ(stat(path("k").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const auto again = read_or_make_secret_key(path("k"), random);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->bytes, made->bytes);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
}

TEST_F(KeyFilesTest, SaysWhatIsWrongWithAKeyFile) {
  EXPECT_THAT(read_secret_key(path("none")).error(), HasSubstr("No such file"));
  write("short", "whimbrel-secret-key abcd\n");
  EXPECT_THAT(read_secret_key(path("short")).error(), HasSubstr("64 hexadecimal"));
  write("odd", "whimbrel-secret-key xyz\n");
  EXPECT_THAT(read_secret_key(path("odd")).error(), HasSubstr("damaged"));
  write("word", "whimbrel-secret-key\n");
  EXPECT_THAT(read_secret_key(path("word")).error(), HasSubstr("nothing follows"));
  write("other", "whimbrel-authority " + std::string(64, '0') + "\n");
  EXPECT_THAT(read_secret_key(path("other")).error(), HasSubstr("it is a whimbrel-authority"));
  write("junk", std::string(10000, 'x'));
  EXPECT_THAT(read_secret_key(path("junk")).error(), HasSubstr("too large"));
  EXPECT_THAT(read_or_make_secret_key(path("no/such/folder/k"), random).error(),
              HasSubstr("No such file"));
}

TEST_F(KeyFilesTest, AnAuthorityIsMadeOnce) {
  const auto key = make_authority(path("a"), random);
  ASSERT_TRUE(key.ok()) << key.error();
  EXPECT_EQ(read_authority(path("a.pub"))->bytes, key->bytes);
  EXPECT_EQ(read_authority_secret(path("a"))->verify_key(), *key);
  EXPECT_THAT(make_authority(path("a"), random).error(), HasSubstr("exists already"));
  std::filesystem::remove(path("a.pub"));
  EXPECT_THAT(make_authority(path("a"), random).error(), HasSubstr("exists already"));
}

TEST_F(KeyFilesTest, CertificatesRoundTrip) {
  const SigningKey authority = SigningKey::generate(random);
  Certificate certificate;
  certificate.identity = "str:alice";
  const auto encoded = sign_certificate(certificate, authority);
  ASSERT_EQ(write_certificate(path("c"), encoded), "");
  ASSERT_EQ(write_certificate(path("c"), encoded), "");
  EXPECT_EQ(*read_certificate(path("c")), encoded);
  write("bad", "whimbrel-certificate 0102\n");
  EXPECT_THAT(read_certificate(path("bad")).error(), HasSubstr("no certificate"));
}

TEST(Hex, RoundTripsAndRefuses) {
  const std::vector<std::uint8_t> bytes = {0x00, 0xab, 0xff};
  EXPECT_EQ(to_hex(bytes), "00abff");
  EXPECT_EQ(from_hex("00ABff"), bytes);
  EXPECT_EQ(from_hex("abc"), std::nullopt);
  EXPECT_EQ(from_hex("0g"), std::nullopt);
  EXPECT_EQ(public_key_from_hex("00"), std::nullopt);
}

}  // namespace
}  // namespace whimbrel
