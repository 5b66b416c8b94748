// Sealing and opening one packet, at the sizes that matter: a lone small message, and a full
// packet.
#include "crypto/aead.h"

#include <array>

#include <benchmark/benchmark.h>

#include <vector>

namespace whimbrel {
namespace {

constexpr std::array<std::uint8_t, 9> kHeader = {0xc3, 1, 2, 3, 4, 5, 6, 7, 8};

AeadKey new_key(AeadSuite suite, AeadBackend backend) {
  Secret secret;
  secret.bytes.fill(7);
  return AeadKey(suite, secret, backend);
}

// Where intel-ipsec-mb does not work, its rows show libcrypto.
AeadBackend best() { return best_backend(AeadSuite::kAesGcm); }

void seal(benchmark::State& state, AeadSuite suite, AeadBackend backend) {
  AeadKey key = new_key(suite, backend);
  const auto size = static_cast<std::size_t>(state.range(0));
  std::vector<std::uint8_t> packet(size + kAeadTagSize, 0x5a);
  std::uint64_t counter = 0;
  for (auto _ : state) key.seal(0, counter++, kHeader, packet.data(), size);
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

// Decrypting in place ruins the ciphertext, so each round copies it first, as the kernel would.
void open(benchmark::State& state, AeadSuite suite, AeadBackend backend) {
  AeadKey key = new_key(suite, backend);
  const auto size = static_cast<std::size_t>(state.range(0));
  std::vector<std::uint8_t> sealed(size + kAeadTagSize, 0x5a), packet;
  key.seal(0, 1, kHeader, sealed.data(), size);
  for (auto _ : state) {
    packet = sealed;
    if (!key.open(0, 1, kHeader, packet)) state.SkipWithError("the packet did not open");
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

constexpr auto kAes = AeadSuite::kAesGcm;
constexpr auto kChaCha = AeadSuite::kChaChaPoly;
constexpr auto kLibcrypto = AeadBackend::kLibcrypto;

BENCHMARK_CAPTURE(seal, aes_256_gcm, kAes, best())->Arg(64)->Arg(1200)->Arg(1440);
BENCHMARK_CAPTURE(open, aes_256_gcm, kAes, best())->Arg(64)->Arg(1200)->Arg(1440);
BENCHMARK_CAPTURE(seal, aes_256_gcm_libcrypto, kAes, kLibcrypto)->Arg(64)->Arg(1200)->Arg(1440);
BENCHMARK_CAPTURE(open, aes_256_gcm_libcrypto, kAes, kLibcrypto)->Arg(64)->Arg(1200)->Arg(1440);
BENCHMARK_CAPTURE(seal, chacha20_poly1305, kChaCha, kLibcrypto)->Arg(64)->Arg(1200);
BENCHMARK_CAPTURE(open, chacha20_poly1305, kChaCha, kLibcrypto)->Arg(64)->Arg(1200);

}  // namespace
}  // namespace whimbrel
