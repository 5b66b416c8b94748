#include "rendezvous/backend_token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crypto/hash.h"
#include "rendezvous/base64url.h"

namespace whimbrel::rendezvous {
namespace {

constexpr std::int64_t kNow = 1'800'000'000;

struct BackendToken : ::testing::Test {
  FastRandom random{11};
  SigningKey signing_key = SigningKey::generate(random);
  Hs256Key shared{std::vector<std::uint8_t>(32, 7)};
  BackendKey eddsa = signing_key.verify_key();
  BackendKey hs256 = shared;

  static std::string text_of(const std::string& header, const std::string& claims) {
    return base64url_encode(as_bytes(header)) + "." + base64url_encode(as_bytes(claims));
  }
  std::string signed_token(const std::string& claims,
                           const std::string& header = R"({"alg":"EdDSA","typ":"JWT"})") const {
    const std::string text = text_of(header, claims);
    return text + "." + base64url_encode(signing_key.sign(as_bytes(text)));
  }
  std::string mac_token(const std::string& claims,
                        const std::string& header = R"({"alg":"HS256"})") const {
    const std::string text = text_of(header, claims);
    return text + "." + base64url_encode(hmac_sha256(shared.bytes, {as_bytes(text)}));
  }
  std::string fault(const std::string& token, std::int64_t at = kNow) const {
    const auto checked = check_backend_token(eddsa, token, at);
    const auto* text = std::get_if<std::string>(&checked);
    return text == nullptr ? "" : *text;
  }
  BackendClaim claim(const std::string& token) const {
    const auto checked = check_backend_token(eddsa, token, kNow);
    EXPECT_TRUE(std::holds_alternative<BackendClaim>(checked)) << fault(token);
    const auto* one = std::get_if<BackendClaim>(&checked);
    return one == nullptr ? BackendClaim() : *one;
  }
};

constexpr const char* kGood = R"({"sub":"str:alice","exp":1800000060})";

TEST(Base64Url, IsThatOfTheStandard) {
  // RFC 4648 10, without padding; RFC 7515 A.1 has '-' and '_'.
  const std::pair<const char*, const char*> pairs[] = {
      {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},         {"foo", "Zm9v"},
      {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : pairs) {
    EXPECT_EQ(base64url_encode(as_bytes(plain)), text);
    const auto decoded = base64url_decode(text);
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(as_text(*decoded), plain);
  }
  EXPECT_EQ(base64url_encode(std::vector<std::uint8_t>{0xfb, 0xff}), "-_8");
}

TEST(Base64Url, HasOneTextForEachValue) {
  for (const char* text : {"Z", "Zg==", "Zh", "Zm9", "Zm9v\n", "Zm 9v", "+/8", "Zm9vY"}) {
    EXPECT_FALSE(base64url_decode(text).has_value()) << text;
  }
}

TEST_F(BackendToken, NamesTheIdentity) {
  EXPECT_EQ(claim(signed_token(kGood)).identity, "str:alice");
  EXPECT_FALSE(claim(signed_token(kGood)).app_id.has_value());
  const auto checked = check_backend_token(hs256, mac_token(kGood), kNow);
  EXPECT_EQ(std::get<BackendClaim>(checked).identity, "str:alice");
}

TEST_F(BackendToken, HmacIsThatOfTheStandard) {
  // RFC 7515 A.1: its claims have no sub, so that the signature is found right and the claims
  // wanting.
  const Hs256Key key{*base64url_decode(
      "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")};
  const std::string token =
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl"
      "fQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  const auto checked = check_backend_token(key, token, 1'300'819'379);
  EXPECT_EQ(std::get<std::string>(checked),
            "the token has no sub: the backend must say whom it is for");
  const auto late = check_backend_token(key, token, 1'300'819'380);
  EXPECT_THAT(std::get<std::string>(late), ::testing::HasSubstr("too old"));
}

TEST_F(BackendToken, AlgorithmIsTheServersChoice) {
  for (const char* header : {R"({"alg":"none"})", R"({"alg":"HS256"})", R"({"alg":"eddsa"})",
                             R"({"alg":["EdDSA"]})", R"({"typ":"JWT"})", R"({"alg":null})"}) {
    EXPECT_THAT(fault(signed_token(kGood, header)), ::testing::HasSubstr("alg")) << header;
  }
  // The old trick: a public key used as the shared secret.
  const std::string text = text_of(R"({"alg":"HS256"})", kGood);
  const Digest mac = hmac_sha256(signing_key.verify_key().view(), {as_bytes(text)});
  EXPECT_THAT(fault(text + "." + base64url_encode(mac)), ::testing::HasSubstr("alg"));
  EXPECT_THAT(fault(text_of(R"({"alg":"none"})", kGood) + "."), ::testing::HasSubstr("alg"));
  EXPECT_THAT(fault(signed_token(kGood, R"({"alg":"EdDSA","crit":["b64"],"b64":false})")),
              ::testing::HasSubstr("crit"));
  const auto other = check_backend_token(hs256, signed_token(kGood), kNow);
  EXPECT_TRUE(std::holds_alternative<std::string>(other));
}

TEST_F(BackendToken, EveryBitIsSigned) {
  const std::string good = signed_token(kGood);
  const std::string mac = mac_token(kGood);
  ASSERT_EQ(fault(good), "");
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = bad[i] == 'A' ? 'B' : 'A';
    EXPECT_NE(fault(bad), "") << i;
  }
  for (std::size_t i = 0; i < mac.size(); ++i) {
    const auto cut = check_backend_token(hs256, mac.substr(0, i), kNow);
    EXPECT_TRUE(std::holds_alternative<std::string>(cut)) << i;
  }
}

TEST_F(BackendToken, HasAnEnd) {
  EXPECT_EQ(fault(signed_token(kGood), kNow + 59), "");
  EXPECT_THAT(fault(signed_token(kGood), kNow + 60), ::testing::HasSubstr("too old"));
  for (const char* claims :
       {R"({"sub":"str:alice"})", R"({"sub":"str:alice","exp":"1800000060"})",
        R"({"sub":"str:alice","exp":null})", R"({"sub":"str:alice","exp":true})"}) {
    EXPECT_THAT(fault(signed_token(claims)), ::testing::HasSubstr("exp")) << claims;
  }
  EXPECT_NE(fault(signed_token(R"({"sub":"str:alice","exp":-1e300})")), "");
}

TEST_F(BackendToken, MayHaveABeginning) {
  EXPECT_EQ(fault(signed_token(R"({"sub":"str:alice","exp":1800000600,"nbf":1800000060})")), "");
  EXPECT_THAT(fault(signed_token(R"({"sub":"str:alice","exp":1800000600,"nbf":1800000061})")),
              ::testing::HasSubstr("not valid yet"));
  EXPECT_THAT(fault(signed_token(R"({"sub":"str:alice","exp":1800000600,"nbf":"x"})")),
              ::testing::HasSubstr("nbf"));
}

TEST_F(BackendToken, MayNameTheApplication) {
  for (const char* audience : {"\"480\"", "480", "[\"480\"]", "[480]"}) {
    const std::string token =
        signed_token(R"({"sub":"str:a","exp":1800000060,"aud":)" + std::string(audience) + "}");
    EXPECT_EQ(claim(token).app_id, 480u) << audience;
  }
  for (const char* audience : {"\"game\"", "\"\"", "-1", "4294967296", "\"4294967296\"", "4.5",
                               "[]", "[1,2]", "[[1]]", "null", "\" 480\"", "\"480 \""}) {
    const std::string token =
        signed_token(R"({"sub":"str:a","exp":1800000060,"aud":)" + std::string(audience) + "}");
    EXPECT_THAT(fault(token), ::testing::HasSubstr("aud")) << audience;
  }
}

TEST_F(BackendToken, MayBindAKey) {
  const PublicKey key = generate_x25519(random).public_key;
  const std::string thumbprint = base64url_encode(key_thumbprint(key));
  const std::string start = R"({"sub":"str:a","exp":1800000060,"cnf":)";
  EXPECT_EQ(claim(signed_token(start + R"({"jkt":")" + thumbprint + "\"}}")).key_thumbprint,
            key_thumbprint(key));
  for (const std::string& confirmation :
       {std::string(R"({"jkt":"AAAA"})"), std::string(R"({"kid":"x"})"), std::string("null"),
        std::string("{}"), std::string(R"({"jkt":5})")}) {
    EXPECT_THAT(fault(signed_token(start + confirmation + "}")), ::testing::HasSubstr("cnf"))
        << confirmation;
  }
}

TEST_F(BackendToken, JunkIsNoToken) {
  for (const std::string& token :
       {std::string(), std::string("a"), std::string(".."), std::string("a.b"),
        std::string("a.b.c.d"), signed_token("[]"), signed_token("{"), signed_token("\"x\""),
        signed_token(R"({"sub":7,"exp":1800000060})"), signed_token(R"({"exp":1800000060})"),
        signed_token(R"({"sub":"","exp":1800000060})"), signed_token(kGood, "[]")}) {
    EXPECT_NE(fault(token), "") << token;
  }
}

TEST_F(BackendToken, LimitOfSize) {
  const auto padded = [&](std::size_t pad) {
    return signed_token(R"({"sub":"str:a","exp":1800000060,"pad":")" + std::string(pad, 'x') +
                        "\"}");
  };
  std::size_t pad = 2000;
  while (padded(pad + 1).size() <= kTokenTextMax) ++pad;
  EXPECT_EQ(fault(padded(pad)), "");
  EXPECT_THAT(fault(padded(pad + 3)), ::testing::HasSubstr("4096"));
  // JSON as deep as the size allows.
  EXPECT_NE(fault(signed_token(std::string(2900, '['))), "");
}

}  // namespace
}  // namespace whimbrel::rendezvous
