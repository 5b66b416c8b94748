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

// Else one token would be good for ever.
TEST_F(AuthorityTest, ACertificateGivesNoMoreTimeThanItHas) {
  Authority authority = token_authority();
  const std::string good = token(R"({"sub":"str:alice","exp":1800000060})");
  auto admitted = authority.admit({kVersion, 7, "", good}, client, {}, kNow);
  const auto first = std::get<Admission>(admitted);
  EXPECT_EQ(first.renewable_seconds, 7 * 24 * 3600);
  const std::int64_t end = decode_certificate(first.certificate)->not_after;
  EXPECT_EQ(end, kNow + 24 * 3600);
  Login again{kVersion, 7, "", good, first.certificate};
  for (const std::int64_t later : {3600, 20 * 3600, 24 * 3600 - 1}) {
    admitted = authority.admit(again, client, {}, kNow + later);
    ASSERT_TRUE(std::holds_alternative<Admission>(admitted)) << later;
    const auto& next = std::get<Admission>(admitted);
    EXPECT_EQ(next.renewable_seconds, 24 * 3600 - later);
    EXPECT_EQ(decode_certificate(next.certificate)->not_after, end);
    again.certificate = next.certificate;
  }
  EXPECT_EQ(code(authority.admit(again, client, {}, kNow + 24 * 3600 + 1)), RefusalCode::kBadToken);
  const auto renewed =
      authority.renew(Identity::generic_string("alice"), 7, client, kNow + 3600, 1800);
  EXPECT_EQ(decode_certificate(std::get<0>(renewed))->not_after, kNow + 3600 + 1800);
}

TEST_F(AuthorityTest, CertificatesOfAnotherKeyOfTokensAreForNoLogin) {
  Authority before = token_authority();
  const std::string good = token(R"({"sub":"str:alice","exp":1800000060})");
  const auto admitted =
      std::get<Admission>(before.admit({kVersion, 7, "", good}, client, {}, kNow));
  const Login by_certificate{kVersion, 7, "", "none", admitted.certificate};
  AuthorityConfig config;
  config.mode = AuthorityConfig::Mode::kToken;
  config.check_token = backend_token_check(backend.verify_key());
  for (const auto& [since, answer] :
       {std::pair{kNow, RefusalCode{}}, std::pair{kNow + 1, RefusalCode::kBadToken}}) {
    config.logins_since = since;
    Authority after(config, key, registry);
    EXPECT_EQ(code(after.admit(by_certificate, client, {}, kNow + 10)), answer) << since - kNow;
  }
}

TEST_F(AuthorityTest, NewNumbersAreLimitedAsNewNamesAre) {
  AuthorityConfig config;
  config.mode = AuthorityConfig::Mode::kNumeric;
  config.new_names_of_network_per_minute = 2;
  config.new_names_per_minute = 3;
  Authority authority(config, key, registry);
  std::vector<PublicKey> keys;
  const auto come = [&](std::uint8_t network, const PublicKey& who, std::int64_t now) {
    return code(
        authority.admit({kVersion, 7, "", ""}, who, IpAddress::v4(10, 0, network, 1, 5), now));
  };
  for (int i = 0; i < 5; ++i) keys.push_back(generate_x25519(random).public_key);
  EXPECT_EQ(come(1, keys[0], kNow), RefusalCode{});
  EXPECT_EQ(come(1, keys[1], kNow), RefusalCode{});
  EXPECT_EQ(come(1, keys[2], kNow), RefusalCode::kTooOften);
  EXPECT_EQ(come(2, keys[3], kNow), RefusalCode{});
  EXPECT_EQ(come(3, keys[4], kNow), RefusalCode::kTooOften) << "of all";
  EXPECT_EQ(come(1, keys[0], kNow), RefusalCode{}) << "who is known always comes in";
  EXPECT_EQ(come(1, keys[2], kNow + 60), RefusalCode{});
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
