// The two backends of AES-256-GCM make the same bytes: what one seals, the other opens, and neither
// opens what was changed on the way.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <vector>

#include "base/random.h"
#include "crypto/aead.h"

namespace whimbrel {
namespace {

using Buffer = std::vector<std::uint8_t>;

constexpr std::size_t kSizeMax = 2000;

bool has_both() { return best_backend(AeadSuite::kAesGcm) == AeadBackend::kIpsecMb; }

// One key in both hands, and bytes to seal.
class Both {
 public:
  explicit Both(std::uint64_t seed) : random_(seed) {
    Secret secret;
    random_.fill(secret.bytes);
    libcrypto_ = AeadKey(AeadSuite::kAesGcm, secret, AeadBackend::kLibcrypto);
    ipsec_mb_ = AeadKey(AeadSuite::kAesGcm, secret, AeadBackend::kIpsecMb);
  }

  Buffer bytes(std::size_t size) {
    Buffer made(size);
    random_.fill(made);
    return made;
  }
  AeadKey& key(bool ipsec_mb) { return ipsec_mb ? ipsec_mb_ : libcrypto_; }

 private:
  FastRandom random_;
  AeadKey libcrypto_, ipsec_mb_;
};

Buffer sealed(AeadKey& key, std::uint64_t counter, Bytes header, Bytes plaintext) {
  Buffer buffer(plaintext.begin(), plaintext.end());
  buffer.resize(plaintext.size() + kAeadTagSize);
  key.seal(7, counter, header, buffer.data(), plaintext.size());
  return buffer;
}

TEST(AeadBackends, AgreeOnEverySize) {
  if (!has_both()) GTEST_SKIP() << "intel-ipsec-mb is not built in, or not for this processor";
  Both both(1);
  for (std::size_t size = 0; size <= kSizeMax; ++size) {
    const Buffer plaintext = both.bytes(size);
    const Buffer header = both.bytes(size % 41);
    Buffer packet = sealed(both.key(true), size, header, plaintext);
    ASSERT_EQ(packet, sealed(both.key(false), size, header, plaintext)) << size;
    const bool opener = size % 2 == 0;
    ASSERT_TRUE(both.key(opener).open(7, size, header, packet)) << size;
    packet.resize(size);
    ASSERT_EQ(packet, plaintext) << size;
  }
}

RC_GTEST_PROP(AeadBackends, OneSealsTheOtherOpens,
              (std::uint64_t seed, std::uint64_t counter, bool sealer)) {
  if (!has_both()) return;
  Both both(seed);
  const Buffer plaintext = both.bytes(*rc::gen::inRange<std::size_t>(0, kSizeMax + 1));
  const Buffer header = both.bytes(*rc::gen::inRange<std::size_t>(0, 64));
  const Buffer good = sealed(both.key(sealer), counter, header, plaintext);
  Buffer packet = good;
  RC_ASSERT(both.key(!sealer).open(7, counter, header, packet));
  packet.resize(plaintext.size());
  RC_ASSERT(packet == plaintext);

  Buffer bad = good;
  bad[*rc::gen::inRange<std::size_t>(0, bad.size())] ^=
      static_cast<std::uint8_t>(1u << *rc::gen::inRange(0, 8));
  for (const bool opener : {false, true}) {
    Buffer copy = bad;
    RC_ASSERT(!both.key(opener).open(7, counter, header, copy));
    for (std::size_t i = 0; i < plaintext.size(); ++i) RC_ASSERT(copy[i] == 0);
    copy = good;
    RC_ASSERT(!both.key(opener).open(7, counter + 1, header, copy));
    copy = good;
    copy.pop_back();
    RC_ASSERT(!both.key(opener).open(7, counter, header, copy));
  }
}

}  // namespace
}  // namespace whimbrel
