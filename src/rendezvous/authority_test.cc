#include "rendezvous/authority.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rendezvous/backend_token.h"
#include "rendezvous/base64url.h"

namespace whimbrel::rendezvous {
namespace {

constexpr std::int64_t kNow = 1'800'000'000;

struct AuthorityTest : ::testing::Test {
  FastRandom random{3};
  SigningKey key = SigningKey::generate(random);
  SigningKey backend = SigningKey::generate(random);
  PublicKey client = generate_x25519(random).public_key;
  MemoryRegistry registry;

  Authority token_authority() {
    AuthorityConfig config;
    config.mode = AuthorityConfig::Mode::kToken;
    config.check_token = backend_token_check(backend.verify_key());
    return {config, key, registry};
  }
  std::string token(const std::string& claims) const {
    const std::string text =
        base64url_encode(as_bytes(R"({"alg":"EdDSA"})")) + "." + base64url_encode(as_bytes(claims));
    return text + "." + base64url_encode(backend.sign(as_bytes(text)));
  }
  static RefusalCode code(const std::variant<Admission, Rejection>& result) {
    const auto* rejection = std::get_if<Rejection>(&result);
    return rejection == nullptr ? RefusalCode{} : rejection->code;
  }
};

TEST_F(AuthorityTest, BelievesTheBackend) {
  Authority authority = token_authority();
  const std::string good = token(R"({"sub":"steamid:76561197960287930","exp":1800000060,"aud":7})");
  EXPECT_EQ(code(authority.admit({kVersion, 7, "", good}, client, {}, kNow)), RefusalCode{});
  EXPECT_EQ(code(authority.admit({kVersion, 8, "", good}, client, {}, kNow)),
            RefusalCode::kWrongApp);
  EXPECT_EQ(code(authority.admit({kVersion, 7, "str:eve", good}, client, {}, kNow)),
            RefusalCode::kBadIdentity);
  EXPECT_EQ(code(authority.admit({kVersion, 7, "", good}, client, {}, kNow + 60)),
            RefusalCode::kBadToken);
  EXPECT_EQ(code(authority.admit({kVersion, 7, "", ""}, client, {}, kNow)), RefusalCode::kBadToken);
  EXPECT_EQ(
      code(authority.admit({kVersion, 7, "", token(R"({"sub":"ip:1.2.3.4","exp":1800000060})")},
                           client, {}, kNow)),
      RefusalCode::kBadIdentity);
}

TEST_F(AuthorityTest, ATokenThatNamesAKeyIsForThatKeyOnly) {
  Authority authority = token_authority();
  const std::string bound = token(R"({"sub":"str:alice","exp":1800000060,"cnf":{"jkt":")" +
                                  base64url_encode(key_thumbprint(client)) + "\"}}");
  const PublicKey thief = generate_x25519(random).public_key;
  EXPECT_EQ(code(authority.admit({kVersion, 7, "", bound}, client, {}, kNow)), RefusalCode{});
  EXPECT_EQ(code(authority.admit({kVersion, 7, "", bound}, thief, {}, kNow)),
            RefusalCode::kBadToken);
}

TEST_F(AuthorityTest, SerialsAreNotUsedAgainAfterARestart) {
  std::uint64_t last = 0;
  for (int run = 0; run < 3; ++run) {
    Authority authority({}, key, registry);
    for (int i = 0; i < 3; ++i) {
      const auto admitted = authority.admit({kVersion, 7, "str:alice", ""}, client, {}, kNow + run);
      const auto certificate = decode_certificate(std::get<Admission>(admitted).certificate);
      EXPECT_GT(certificate->serial, last);
      last = certificate->serial;
    }
  }
}

}  // namespace
}  // namespace whimbrel::rendezvous
