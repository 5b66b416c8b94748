// What happens to an Init before any curve operation: form, version and suite, mac1, and a cookie
// under load. Everything a stranger can make us do without knowing anything costs two hashes.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/time.h"
#include "handshake/cookie.h"
#include "handshake/handshake.h"
#include "handshake/mac1.h"
#include "handshake/packets.h"

namespace whimbrel {

class InitScreener {
 public:
  enum class Verdict : std::uint8_t {
    kPass,   // `init` may go to Responder::read_init()
    kReply,  // send `reply_size` bytes of `reply` back and forget the Init
    kDrop,   // count `error`
  };
  struct Result {
    Verdict verdict = Verdict::kDrop;
    HandshakeError error = HandshakeError::kNone;  // why not kPass
    InitView init{};                               // kPass only; points into the datagram
    std::array<std::uint8_t, kReplySize> reply{};
    std::size_t reply_size = 0;
  };

  // Both must outlive the screener.
  InitScreener(const HandshakeConfig& config, Random& random);

  // `source`: the sender's address and port in one fixed encoding. `under_load`: demand a cookie.
  Result check(Bytes datagram, Bytes source, bool under_load, Instant now);
  // The Init carries a cookie that we gave to `source`: its sender receives there.
  bool shows_address(const InitView& init, Bytes source, Instant now);
  // Not under load, but where it matters who receives at `source`: kReply, with a cookie.
  Result ask_for_address(const InitView& init, Bytes source, Instant now) {
    return cookie_reply(init, source, now);
  }

 private:
  Result version_reply(const InitPrefix& prefix, HandshakeError error) const;
  Result cookie_reply(const InitView& init, Bytes source, Instant now);

  const HandshakeConfig& config_;
  Mac1Key mac1_key_;
  CookieJar cookies_;
};

}  // namespace whimbrel
