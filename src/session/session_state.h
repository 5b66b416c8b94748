// What may become of a session, each state with what belongs to it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "base/time.h"

namespace whimbrel {

// How much of the handshake the peer has shown.
enum class HandshakeStage : std::uint8_t {
  kSilent,       // we have finished it, and say nothing before the peer's first packet
  kUnconfirmed,  // both may have the keys
  kConfirmed,    // a packet of the peer was opened, or its answer has shown the keys
};

// In the order of SessionState.
enum class SessionPhase : std::uint8_t { kUp, kLingering, kClosing, kEnded };

// What CLOSE says.
struct ClosingWords {
  int reason = 0;
  std::string text;
};

struct SessionUp {};
// Closed by us: what is reliable still leaves.
struct SessionLingering {
  ClosingWords words;
  Instant until;
};
// CLOSE is said; packets that still come are answered with it again (RFC 9000 10.2.1).
struct SessionClosing {
  ClosingWords words;
  Instant until;
  bool owed = true;            // one CLOSE
  unsigned said = 0;           // nobody acknowledges it, so it is said a few times
  Instant repeat_at = kNever;  // by itself
  std::uint32_t packets = 0;   // that have come meanwhile
};
// Nothing more will happen: the endpoint forgets it.
struct SessionEnded {};

using SessionState = std::variant<SessionUp, SessionLingering, SessionClosing, SessionEnded>;

// Something has left that asks for an answer, and none has come.
struct AwaitedAnswer {
  // The first packet since the last answer. Where packets come and acknowledge nothing: the first
  // after the last that came in time.
  Instant since;
  std::uint8_t doubts = 0;          // how often its silence was noticed since then
  std::uint8_t last_questions = 0;  // since then, shortly before the peer is given up
};

// Somebody else claims to be the peer.
enum class Rival : std::uint8_t {
  kClaims,
  kInItsPlace,  // receives at the address of the peer
  kProved,      // the name, by a certificate
};

// The peer must say something before `until`, or its place goes to the rival.
struct SignOfLife {
  Rival rival;
  Instant asked;
  Instant until;
};

// Control frames to say.
struct OwedFrames {
  bool handshake_done = false;
  bool ping = false;
  bool address = false;  // one PING although silent
  std::optional<std::uint8_t> quality;
};

}  // namespace whimbrel
