// What the endpoint keeps for somebody who wants to talk to us and is no peer yet.
#pragma once

#include <whimbrel/identity.h>

#include <array>
#include <cstdint>
#include <vector>

#include "base/remote.h"
#include "endpoint/first_packets.h"
#include "handshake/handshake.h"
#include "wire/packet.h"

namespace whimbrel {

// What a first message is known by: sender index, version, suite and ephemeral key.
using EphemeralKey = std::array<std::uint8_t, 38>;

// A stranger who waits for the application's accept. Under 1 KiB.
struct Request {
  Identity user;
  Remote from;
  ReceiverIndex index = 0;   // ours; XX: chosen already, IK: 0
  EphemeralKey ephemeral{};  // of message 1: tells a repetition
  Responder responder;
  bool xx = false;
  Instant heard;
  Instant posted;
  // `from` received our answer to message 1 (XX). Otherwise it may get three times `bytes`, and no
  // more.
  bool address_shown = false;
  std::size_t bytes = 0;  // of the last message
  Instant begun{};        // when message 1 came
  Standing standing = Standing::kCommon;
};

// InitXX was answered, FinishXX has not come.
struct HalfOpen {
  Remote from;
  EphemeralKey ephemeral{};
  Responder responder;
  std::vector<std::uint8_t> response;
  Instant made;
  Standing standing = Standing::kCommon;
  std::uint64_t number = 0;  // in the order in which they were made
  unsigned failures = 0;     // FinishXX that did not fit
};

}  // namespace whimbrel
