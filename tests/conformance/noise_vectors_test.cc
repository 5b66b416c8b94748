// The Noise handshakes against published vectors (noise_vectors.txt).
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "crypto/test_hex.h"
#include "handshake/noise.h"

namespace whimbrel {
namespace {

using Vector = std::map<std::string, std::string>;

std::vector<Vector> read_vectors() {
  std::ifstream file(WHIMBREL_SOURCE_DIR "/tests/conformance/noise_vectors.txt");
  std::vector<Vector> vectors;
  for (std::string line; std::getline(file, line);) {
    const std::size_t equals = line.find('=');
    if (line.starts_with('#') || equals == std::string::npos) continue;
    if (line.starts_with("handshake=")) vectors.emplace_back();
    vectors.back()[line.substr(0, equals)] = line.substr(equals + 1);
  }
  return vectors;
}

// Hands out an ephemeral key that the vector prescribes.
class PrescribedRandom final : public Random {
 public:
  explicit PrescribedRandom(std::string_view digits) : bytes_(hex(digits)) {}
  void fill(MutableBytes out) override {
    ASSERT(out.size() == bytes_.size());
    std::copy(bytes_.begin(), bytes_.end(), out.begin());
  }

 private:
  std::vector<std::uint8_t> bytes_;
};

KeyPair key_pair(const std::string& digits) {
  KeyPair pair;
  pair.secret = SecretKey(hex32(digits));
  pair.public_key = x25519_public(pair.secret);
  return pair;
}

class NoiseVectors : public testing::TestWithParam<Vector> {
 protected:
  std::string at(const std::string& name) const {
    const auto found = GetParam().find(name);
    return found == GetParam().end() ? std::string() : found->second;
  }
  std::vector<std::uint8_t> message(std::size_t index, const char* part) const {
    return hex(at("msg_" + std::to_string(index) + part));
  }
  NoisePattern pattern() const {
    return at("handshake").starts_with("Noise_IK") ? NoisePattern::kIk : NoisePattern::kXx;
  }
  AeadSuite suite() const {
    return at("handshake").find("AESGCM") != std::string::npos ? AeadSuite::kAesGcm
                                                               : AeadSuite::kChaChaPoly;
  }
};

TEST_P(NoiseVectors, GiveTheSameBytes) {
  EXPECT_EQ(noise_protocol_name(pattern(), suite()), at("handshake"));
  const KeyPair initiator_key = key_pair(at("init_static"));
  const KeyPair responder_key = key_pair(at("resp_static"));
  PrescribedRandom initiator_random(at("gen_init_ephemeral"));
  PrescribedRandom responder_random(at("gen_resp_ephemeral"));
  const auto prologue = hex(at("prologue"));
  NoiseHandshake initiator(pattern(), suite(), true, prologue, initiator_key,
                           responder_key.public_key);
  NoiseHandshake responder(pattern(), suite(), false, prologue, responder_key, PublicKey());

  std::size_t index = 0;
  for (; !initiator.done(); ++index) {
    const bool from_initiator = index % 2 == 0;
    NoiseHandshake& writer = from_initiator ? initiator : responder;
    NoiseHandshake& reader = from_initiator ? responder : initiator;
    Random& random = from_initiator ? initiator_random : responder_random;
    std::vector<std::uint8_t> written(500);
    written.resize(writer.write_message(random, message(index, "_payload"), written));
    EXPECT_EQ(written, message(index, "_ciphertext")) << "message " << index;
    std::vector<std::uint8_t> payload(500);
    std::size_t size = 0;
    ASSERT_TRUE(reader.read_message(written, payload.data(), size)) << "message " << index;
    payload.resize(size);
    EXPECT_EQ(payload, message(index, "_payload"));
  }

  ASSERT_TRUE(responder.done());
  EXPECT_EQ(initiator.peer_static(), responder_key.public_key);
  EXPECT_EQ(responder.peer_static(), initiator_key.public_key);
  EXPECT_EQ(initiator.handshake_hash(), responder.handshake_hash());
  const auto keys = initiator.split();
  EXPECT_EQ(keys.initiator_to_responder.bytes, responder.split().initiator_to_responder.bytes);
  for (const Secret& key : {keys.initiator_to_responder, keys.responder_to_initiator}) {
    auto sealed = message(index, "_payload");
    const std::size_t size = sealed.size();
    sealed.resize(size + kAeadTagSize);
    AeadKey(suite(), key).seal(0, 0, {}, sealed.data(), size);
    EXPECT_EQ(sealed, message(index++, "_ciphertext"));
  }
}

std::string vector_name(const testing::TestParamInfo<Vector>& info) {
  return info.param.at("handshake") + "_" + std::to_string(info.index);
}

INSTANTIATE_TEST_SUITE_P(Published, NoiseVectors, testing::ValuesIn(read_vectors()), vector_name);

TEST(NoiseVectorFile, HasAllFourProtocols) {
  std::map<std::string, int> count;
  for (const Vector& vector : read_vectors()) ++count[vector.at("handshake")];
  EXPECT_EQ(count.size(), 4u);
  for (const auto& [name, number] : count) EXPECT_EQ(number, 4) << name;
}

}  // namespace
}  // namespace whimbrel
