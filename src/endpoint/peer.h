// What the endpoint keeps for one user it talks to, and for one stranger who waits.
#pragma once

#include <whimbrel/identity.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/remote.h"
#include "endpoint/dial.h"
#include "endpoint/endpoint.h"
#include "endpoint/first_packets.h"
#include "endpoint/waiting_messages.h"
#include "handshake/handshake.h"
#include "session/session.h"

namespace whimbrel {

// A packet that came before the answer to our first message, which says how to open it: over relays
// the two take different ways.
struct EarlyPacket {
  Remote from;
  std::vector<std::uint8_t> bytes;
};
inline constexpr std::size_t kEarlyPacketsMax = 4;        // of one dial; further ones are dropped
inline constexpr std::size_t kEarlyPacketSizeMax = 1500;  // larger ones are dropped

// One user, from the first send or accept to the end of the session. Either dialling, or with a
// session, or (with oneself) neither.
struct Peer {
  SessionId id{};
  Identity user;   // as the application calls it
  Identity alias;  // another name of the same peer; invalid if none
  std::shared_ptr<SendGate> gate = std::make_shared<SendGate>();
  SessionOptions options;
  Instant opened;
  Instant established = Instant::min();

  std::unique_ptr<Dial> dial;
  bool wants_dial = false;  // as soon as an earlier session with this user has left the line
  bool route_asked = false;
  std::optional<DialTarget> route;  // the answer
  std::unique_ptr<Session> session;
  std::vector<EarlyPacket> early;  // for the index of the dial
  // To ourselves: there is no session.
  struct Loopback {
    std::uint64_t number = 0;  // of the last message
    std::uint64_t unread = 0;
    std::set<ChannelId> channels;  // that are open
  };
  std::unique_ptr<Loopback> loopback;
  std::vector<std::uint8_t> response;  // RespIK, for InitIKs that come again
  std::size_t request_bytes = 0;       // of the message that was answered
  std::optional<PublicKey> key;
  std::optional<ResetToken> reset_token;  // of the peer's index: to ask whether it still knows us
  std::uint64_t reset_nonce = 0;          // of the last question
  std::uint64_t stamp =
      0;  // the newest of the peer's that has made a session; an older one is a replay
  CertificateStatus certificate = CertificateStatus::kAbsent;
  std::vector<ReceiverIndex> indices;     // of ours, that lead here
  std::optional<SignalRemote> signalled;  // its session goes over relays
  std::vector<Identity> names;            // in the endpoint's table of names

  std::unique_ptr<WaitingMessages> waiting;  // for the session; made when first used
  std::uint64_t held_bytes = 0;              // what the gate was told
  std::int64_t user_data = -1;

  unsigned failed_dials = 0;  // in a row, before this one
  bool refused = false;       // made only to say no
  bool unfinished = false;    // we have answered it, and no packet of it has confirmed that
  bool background = false;    // the application has closed it, or it has ended
  // It was closed while messages waited for the session: they lead to it still, and then it ends
  // so.
  struct Farewell {
    int reason = 0;
    std::string text;
    Instant deadline;
  };
  std::unique_ptr<Farewell> farewell;
  bool end_reported = false;
  bool up_reported = false;
  bool ready = false;  // in the list of those that may have packets
  Instant scheduled = kNever;

  // Messages wait here rather than in the session.
  bool waits() const { return !session || (dial && !session->confirmed()); }
  // False when this would be one channel too many.
  bool can_take(ChannelId channel) const {
    if (loopback) return true;
    if (!waits()) return session->can_send(channel);
    return !waiting || waiting->can_take(channel);
  }
  // False when it is not open.
  bool close_channel(ChannelId channel) {
    if (loopback) return loopback->channels.erase(channel) > 0;
    return session && session->close_channel(channel);
  }
  bool has_open_channels() const {
    return loopback ? !loopback->channels.empty() : session && session->has_open_channels();
  }
  std::uint64_t waiting_bytes() const { return waiting ? waiting->bytes() : 0; }
  bool up() const { return session && session->confirmed() && !background; }
};

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
