// Cookies: under load, an Init is answered only when it shows a value that we sent to its address
// before (RFC 9147 5.1). We keep nothing for it.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/random.h"
#include "base/time.h"
#include "handshake/packets.h"

namespace whimbrel {

// Not thread-safe. `now` never runs backwards.
class CookieJar {
 public:
  // The secret is replaced after this time; the one before it still counts, so a cookie lives for
  // one to two lifetimes.
  static constexpr Duration kSecretLifetime = seconds(120);

  // `random` must outlive the jar.
  explicit CookieJar(Random& random) : random_(random) {}

  // `source` is whatever stands for the sender's address and port, in one fixed encoding.
  Cookie make(Bytes source, const InitView& init, Instant now);
  // True when init.cookie is what make() gave for this source and this Init, two lifetimes ago at
  // most.
  bool check(Bytes source, const InitView& init, Instant now);

 private:
  void rotate(Instant now);

  Random& random_;
  Secret current_;
  Secret previous_;
  Instant made_at_{};  // of current_
  bool made_ = false;
};

}  // namespace whimbrel
