// What the endpoint keeps for one user it talks to.
#pragma once

#include <whimbrel/identity.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/remote.h"
#include "endpoint/dial.h"
#include "endpoint/endpoint.h"
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

// One user, from the first send or accept to the end of the session.
struct Peer {
  // --- what may become of it, each state with what belongs to it
  // Closed while messages waited for the session: they lead to it still, and then it ends so.
  struct Farewell {
    int reason = 0;
    std::string text;
    Instant deadline;
  };
  // Of the three states before a session can be used.
  struct Making {
    std::unique_ptr<WaitingMessages> waiting;  // for the session; made when first used
    std::unique_ptr<Farewell> farewell;        // null: the application has not closed it
  };
  // Nothing has left yet: an address, a login or the end of an earlier session is awaited.
  struct WaitsForRoute : Making {
    bool asked = false;
    std::optional<DialTarget> route;  // the answer
  };
  // Our first message is on its way.
  struct Dialling : Making {
    std::unique_ptr<Dial> dial;
    std::vector<EarlyPacket> early;
  };
  // XX: the peer has answered, and has not shown yet that it takes us.
  struct Opening : Making {
    std::unique_ptr<Dial> dial;
    std::unique_ptr<Session> session;
  };
  // We have answered the peer, and no packet of it has confirmed that.
  struct Answered {
    std::unique_ptr<Session> session;
    std::vector<std::uint8_t> response;  // RespIK, for InitIKs that come again
  };
  struct Up {
    std::unique_ptr<Session> session;
  };
  // Ourselves: there is no session.
  struct Loopback {
    std::uint64_t number = 0;  // of the last message
    std::uint64_t unread = 0;
    std::set<ChannelId> channels;  // that are open
  };
  // Made only to say no.
  struct Refusing {
    std::unique_ptr<Session> session;
    std::vector<std::uint8_t> response;
  };
  // The application has closed it, or it has ended: what was taken may still be delivered.
  struct Leaving {
    std::unique_ptr<Session> session;
    std::vector<std::uint8_t> response;
  };
  using State =
      std::variant<WaitsForRoute, Dialling, Opening, Answered, Up, Loopback, Refusing, Leaving>;

  template <typename S>
  bool is() const {
    return std::holds_alternative<S>(state);
  }
  template <typename S>
  S* as() {
    return std::get_if<S>(&state);
  }
  template <typename S>
  const S* as() const {
    return std::get_if<S>(&state);
  }
  // Null where the state has none.
  Session* session() const {
    if (const Up* up = as<Up>()) return up->session.get();
    return session_of_others();
  }
  Dial* dial() const;
  Making* making() { return state.index() < kFirstMade ? making_of_first() : nullptr; }
  const Making* making() const { return const_cast<Peer*>(this)->making(); }
  // For an InitIK that comes again; empty where none is to be said again.
  std::span<const std::uint8_t> response() const;

  // Messages wait here rather than in the session.
  bool waits() const { return making() != nullptr; }
  bool up() const { return is<Up>(); }
  // Closed or over: the application finds it under no name any more.
  bool detached() const {
    const Making* before = making();
    return is<Leaving>() || is<Refusing>() || (before != nullptr && before->farewell);
  }
  // False when this would be one channel too many.
  bool can_take(ChannelId channel) const;
  // False when it is not open.
  bool close_channel(ChannelId channel);
  bool has_open_channels() const;
  std::uint64_t waiting_bytes() const {
    const Making* before = making();
    return before != nullptr && before->waiting ? before->waiting->bytes() : 0;
  }

  SessionId id{};
  State state = WaitsForRoute{};
  Identity user;                       // as the application calls it
  Identity alias;                      // another name of the same peer; invalid if none
  std::vector<Identity> names;         // in the endpoint's table of names
  std::vector<ReceiverIndex> indices;  // of ours, that lead here
  std::shared_ptr<SendGate> gate = std::make_shared<SendGate>();
  std::uint64_t held_bytes = 0;  // what the gate was told
  SessionOptions options;
  std::int64_t user_data = -1;
  Instant opened;
  Instant established = Instant::min();
  unsigned failed_dials = 0;  // in a row, before this one

  // --- what its handshake has shown
  std::optional<PublicKey> key;
  CertificateStatus certificate = CertificateStatus::kAbsent;
  // The newest of the peer's that has made a session; an older one is a replay.
  std::uint64_t stamp = 0;
  std::optional<ResetToken> reset_token;  // of the peer's index: to ask whether it still knows us
  std::uint64_t reset_nonce = 0;          // of the last question
  std::optional<SignalRemote> signalled;  // its session goes over relays

  // --- in the endpoint's lists
  bool ready = false;  // of those that may have packets
  Instant scheduled = kNever;

 private:
  // The states before it are Making.
  static constexpr std::size_t kFirstMade = 3;
  static_assert(std::is_same_v<std::variant_alternative_t<kFirstMade, State>, Answered>);
  Session* session_of_others() const;
  Making* making_of_first();
};

}  // namespace whimbrel
