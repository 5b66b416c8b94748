#include "crypto/aead.h"

#include <utility>

#include "base/assert.h"
#include "crypto/key_schedule.h"
#include "crypto/secure_memory.h"

namespace whimbrel {

namespace {

std::uint8_t byte_of(std::uint64_t value, unsigned shift) {
  return static_cast<std::uint8_t>(value >> shift);
}

// Noise revision 34, 12: the counter is big-endian for AESGCM, little-endian for ChaChaPoly.
detail::AeadNonce make_nonce(AeadSuite suite, std::uint32_t path_id, std::uint64_t counter) {
  detail::AeadNonce nonce;
  for (unsigned i = 0; i < 4; ++i) nonce[i] = byte_of(path_id, 24 - 8 * i);
  for (unsigned i = 0; i < 8; ++i)
    nonce[4 + i] = byte_of(counter, suite == AeadSuite::kAesGcm ? 56 - 8 * i : 8 * i);
  return nonce;
}

}  // namespace

AeadBackend best_backend(AeadSuite suite) {
  return suite == AeadSuite::kAesGcm && detail::ipsec_mb_works() ? AeadBackend::kIpsecMb
                                                                 : AeadBackend::kLibcrypto;
}

AeadKey::AeadKey() = default;
AeadKey::~AeadKey() = default;

AeadKey::AeadKey(AeadSuite suite, const Secret& key, AeadBackend backend)
    : suite_(suite), backend_(backend), valid_(true), key_(key) {
  ASSERT(backend == AeadBackend::kLibcrypto || suite == AeadSuite::kAesGcm);
}

AeadKey::AeadKey(AeadKey&& other) noexcept
    : suite_(other.suite_),
      backend_(other.backend_),
      valid_(std::exchange(other.valid_, false)),
      uses_(other.uses_),
      key_(std::exchange(other.key_, Secret())),
      schedule_(std::move(other.schedule_)) {}

AeadKey& AeadKey::operator=(AeadKey&& other) noexcept {
  if (this == &other) return *this;
  suite_ = other.suite_;
  backend_ = other.backend_;
  valid_ = std::exchange(other.valid_, false);
  uses_ = other.uses_;
  key_ = std::exchange(other.key_, Secret());
  schedule_ = std::move(other.schedule_);
  return *this;
}

std::unique_ptr<detail::KeySchedule> AeadKey::make_schedule() const {
  ASSERT(valid_);
  return backend_ == AeadBackend::kIpsecMb ? detail::ipsec_mb_schedule(key_)
                                           : detail::libcrypto_schedule(suite_, key_);
}

detail::KeySchedule& AeadKey::schedule(std::unique_ptr<detail::KeySchedule>& brief) {
  if (schedule_ != nullptr) [[likely]]
    return *schedule_;
  if (uses_ < kBriefUses) {
    ++uses_;
    brief = make_schedule();
    return *brief;
  }
  schedule_ = make_schedule();
  return *schedule_;
}

void AeadKey::trim() {
  schedule_.reset();
  uses_ = 0;
}

void AeadKey::seal(std::uint32_t path_id, std::uint64_t counter, Bytes associated_data,
                   std::uint8_t* inout, std::size_t plain_size) {
  std::unique_ptr<detail::KeySchedule> brief;
  schedule(brief).seal(make_nonce(suite_, path_id, counter), associated_data, inout, plain_size);
}

bool AeadKey::open(std::uint32_t path_id, std::uint64_t counter, Bytes associated_data,
                   MutableBytes inout) {
  if (inout.size() < kAeadTagSize) return false;
  std::unique_ptr<detail::KeySchedule> brief;
  if (schedule(brief).open(make_nonce(suite_, path_id, counter), associated_data, inout)) [[likely]]
    return true;
  // It is decrypted, but nobody knows who encrypted it: it must not be read.
  secure_wipe(inout.first(inout.size() - kAeadTagSize));
  return false;
}

void aead_seal_once(AeadSuite suite, const Secret& key, std::uint32_t path_id,
                    std::uint64_t counter, Bytes associated_data, std::uint8_t* inout,
                    std::size_t plain_size) {
  AeadKey(suite, key).seal(path_id, counter, associated_data, inout, plain_size);
}

bool aead_open_once(AeadSuite suite, const Secret& key, std::uint32_t path_id,
                    std::uint64_t counter, Bytes associated_data, MutableBytes inout) {
  return AeadKey(suite, key).open(path_id, counter, associated_data, inout);
}

}  // namespace whimbrel
