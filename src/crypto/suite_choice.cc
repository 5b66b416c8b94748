#include "crypto/suite_choice.h"

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace whimbrel {
namespace {

bool has_aes_instructions() {
#if defined(__x86_64__) || defined(__i386__)
  return __builtin_cpu_supports("aes") != 0 && __builtin_cpu_supports("pclmul") != 0;
#elif defined(__aarch64__) && defined(__linux__)
  const unsigned long wanted = HWCAP_AES | HWCAP_PMULL;
  return (getauxval(AT_HWCAP) & wanted) == wanted;
#else
  return false;
#endif
}

}  // namespace

AeadSuite preferred_suite() {
  return has_aes_instructions() ? AeadSuite::kAesGcm : AeadSuite::kChaChaPoly;
}

}  // namespace whimbrel
