// What a session keeps of one of its paths, beside the Path itself.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <variant>

#include "base/remote.h"
#include "path/path.h"
#include "session/carrier.h"
#include "wire/frame.h"

namespace whimbrel {

// RFC 9000 8.1: what shows that the peer receives at the address that its handshake came from.
enum class AddressProof : std::uint8_t {
  kGiven,  // the handshake has shown it
  kKeys,   // IK: any packet under the session's keys, for they need the answer that went there
  kAck,    // XX: only an acknowledgement, for the keys need an answer that went elsewhere
};

// A remote that is asked whether the peer receives there (RFC 9000 8.2).
struct Validation {
  Remote to;
  PathData challenge{};
  Instant next_send{};
  unsigned sent = 0;
  Instant challenged_at = kNever;    // when the first one left
  std::uint64_t bytes_received = 0;  // from there: three times as many may go back
  std::uint64_t bytes_sent = 0;
};

struct PathEntry {
  // --- what may become of it, each state with what belongs to it
  struct Opening {};  // from path 1 on: an index, or where the peer is, is not known yet
  struct Probing {    // nobody has answered there yet
    std::unique_ptr<Validation> validation;
  };
  struct Standby {  // works, and is kept ready
    Instant probe_at{};
  };
  struct Active {};
  struct Suspect {  // worked, and has not answered for a while
    Instant probe_at{};
  };
  struct Gone {          // given up
    bool known = false;  // to the peer, too
  };
  using State = std::variant<Opening, Probing, Standby, Active, Suspect, Gone>;

  PathEntry(PathId id, const PathConfig& config, Instant now) : path(id, config, now) {}

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
  PathId id() const { return path.id(); }
  // Something is known to answer there, and packets can leave.
  bool usable() const {
    return carrier != CarrierState::kDown && remote.signal() == nullptr &&
           (is<Active>() || is<Standby>() || is<Suspect>());
  }

  // What is in flight on it should be acknowledged soon.
  bool expects_answers() const { return is<Active>() || is<Standby>(); }

  Path path;
  State state = Opening{};
  Remote remote;
  ReceiverIndex local_index = 0;   // the peer puts it into packets to us; 0: not given yet
  ReceiverIndex remote_index = 0;  // we put it into packets to the peer; 0: not known yet
  PacketNumber phase_first{0};     // the first number sealed in this key phase
  CarrierState carrier = CarrierState::kUp;
  AddressProof proof = AddressProof::kAck;
  Duration carrier_rtt{};  // zero: not known
  Instant heard{};         // any packet of the peer on it
  // Of another remote that packets have come from (RFC 9000 9.3).
  std::unique_ptr<Validation> validation;
  std::unique_ptr<std::pair<Remote, PathData>> response;  // to a challenge of the peer

  // --- frames to say
  bool index_owed = false;
  bool abandon_owed = false;
  bool status_owed = false;
  bool probe_owed = false;    // one PING
  bool standby_said = false;  // by the last PATH_STATUS, or as the peer takes it without one
  bool peer_standby = false;
  std::uint64_t peer_status = 0;  // the highest sequence, and one
};

}  // namespace whimbrel
