// AES-256-GCM of intel-ipsec-mb: the same bytes as libcrypto's, in a third of the time. Built in
// when CMake finds the library (WHIMBREL_IPSEC_MB); docs/decisions/0004-ipsec-mb.md has the
// figures.
#include "base/assert.h"
#include "crypto/key_schedule.h"

#if WHIMBREL_HAS_IPSEC_MB

#include <intel-ipsec-mb.h>

#include "crypto/secure_memory.h"

namespace whimbrel::detail {
namespace {

// The library's manager does three things for us: it looks what the processor can do, tests itself,
// and names the fitting functions. Those keep no state, so they are all that stays of it, and any
// number of threads may call them. (Each clears the library's global error number, with one store
// that nobody reads.)
struct Functions {
  aes_gcm_pre_t expand_key = nullptr;
  aes_gcm_enc_dec_t encrypt = nullptr;
  aes_gcm_enc_dec_t decrypt = nullptr;
};

Functions find_functions() {
  Functions found;
  IMB_MGR* const manager = alloc_mb_mgr(0);
  if (manager == nullptr) return found;
  IMB_ARCH architecture = IMB_ARCH_NONE;
  init_mb_mgr_auto(manager, &architecture);
  constexpr std::uint64_t kNeeded = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
  const bool self_tested = (manager->features & IMB_FEATURE_SELF_TEST) == 0 ||
                           (manager->features & IMB_FEATURE_SELF_TEST_PASS) != 0;
  if (architecture != IMB_ARCH_NONE && imb_get_errno(manager) == 0 && self_tested &&
      (manager->features & kNeeded) == kNeeded) {
    found = {manager->gcm256_pre, manager->gcm256_enc, manager->gcm256_dec};
  }
  free_mb_mgr(manager);
  return found;
}

const Functions& functions() {
  static const Functions found = find_functions();
  return found;
}

class IpsecMbSchedule final : public KeySchedule {
 public:
  explicit IpsecMbSchedule(const Secret& key) {
    ASSERT(ipsec_mb_works());
    functions().expand_key(key.bytes.data(), &key_);
  }
  IpsecMbSchedule(const IpsecMbSchedule&) = delete;
  IpsecMbSchedule& operator=(const IpsecMbSchedule&) = delete;
  ~IpsecMbSchedule() override {
    secure_wipe({reinterpret_cast<std::uint8_t*>(&key_), sizeof key_});
    secure_wipe({reinterpret_cast<std::uint8_t*>(&scratch_), sizeof scratch_});
  }

  void seal(const AeadNonce& nonce, Bytes associated_data, std::uint8_t* inout,
            std::size_t size) override {
    work(functions().encrypt, nonce, associated_data, inout, size, inout + size);
  }

  bool open(const AeadNonce& nonce, Bytes associated_data, MutableBytes inout) override {
    const std::size_t size = inout.size() - kAeadTagSize;
    std::array<std::uint8_t, kAeadTagSize> tag{};
    work(functions().decrypt, nonce, associated_data, inout.data(), size, tag.data());
    return constant_time_equal(tag, inout.subspan(size));
  }

 private:
  // The library refuses null pointers and too long inputs silently, and the bytes would leave
  // unencrypted. Here `inout` is never null, and no input comes near the limit of RFC 5116.
  void work(aes_gcm_enc_dec_t function, const AeadNonce& nonce, Bytes associated_data,
            std::uint8_t* inout, std::size_t size, std::uint8_t* tag) {
    ASSERT(inout != nullptr && size <= 1u << 30);
    const std::uint8_t* const data =
        associated_data.empty() ? nonce.data() : associated_data.data();
    function(&key_, &scratch_, inout, inout, size, nonce.data(), data, associated_data.size(), tag,
             kAeadTagSize);
  }

  gcm_context_data scratch_{};
  alignas(64) gcm_key_data key_;
};

}  // namespace

bool ipsec_mb_works() { return functions().encrypt != nullptr; }

std::unique_ptr<KeySchedule> ipsec_mb_schedule(const Secret& key) {
  return std::make_unique<IpsecMbSchedule>(key);
}

}  // namespace whimbrel::detail

#else

namespace whimbrel::detail {

bool ipsec_mb_works() { return false; }

std::unique_ptr<KeySchedule> ipsec_mb_schedule(const Secret&) {
  ASSERT(ipsec_mb_works());
  return nullptr;
}

}  // namespace whimbrel::detail

#endif
