// What an endpoint is made of, and its limits. Those of one dial are in dial.h and peer.h, those of
// a session in session/session_options.h and message/message.h.
#pragma once

#include <whimbrel/identity.h>

#include <cstdint>
#include <vector>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/time.h"
#include "crypto/aead.h"
#include "crypto/keys.h"
#include "endpoint/first_packets.h"
#include "handshake/certificate.h"
#include "session/session_options.h"

namespace whimbrel {

// With so many packets between two calls of Endpoint::advance() more may wait outside.
inline constexpr unsigned kBusyTurn = 48;

// Limits of the whole endpoint. What happens at each stands beside it.
struct EndpointLimits {
  std::size_t sessions_max =
      100000;  // no new session: our send is refused, a stranger's packet dropped
  std::size_t pending_requests_max = 256;  // the oldest request goes
  std::size_t half_open_max = 1024;        // answered InitXX without FinishXX: the oldest goes
  std::size_t failed_records_max = 1024;   // the oldest is forgotten
  std::size_t stamps_max = 4096;           // anti-replay stamps kept by peer key: the oldest goes
  // The oldest event of a request goes, or a new one is not told: it is told again while the
  // stranger keeps trying. Where none is a request the oldest goes, for what is newer says more.
  std::size_t events_max = 4096;
  std::size_t packets_waiting_max = 1024;  // handshake packets that wait to leave: the oldest goes
  std::size_t stateless_replies_max = 64;  // of those: an answer that keeps no state is dropped
  std::size_t recent_first_packets_max = 2048;  // by which a repetition is known: the oldest goes
  std::size_t finish_failures_max = 16;  // FinishXX that do not fit: then the handshake is given up
  // Strangers that are being told no, each for a few seconds. Who comes when there are so many is
  // told nothing, and comes again.
  std::size_t refused_max = 64;
  std::size_t cut_off_max = 64;  // users that poll_cut_off() tells: further ones are noticed again
  FirstPacketLimits first_packets;
  // First packets that wait for their answer, twice as many in all (first_packet_queue.h): a
  // further one is dropped. 0: each is answered as it comes.
  std::size_t first_packets_waiting_max = 0;
  std::size_t routes_max = 65536;  // set_route() says no to a further user
  // Sessions that strangers began and have not confirmed by a packet of theirs, for
  // unconfirmed_life at most: the one whose place is worth least goes, and nobody is told. 0: they
  // are sessions as others are. For servers, which have nothing to say to them.
  std::size_t unconfirmed_max = 0;
  Duration unconfirmed_life = seconds(5);
  // With those limits, sessions that are on their way out are apart as well: the oldest is
  // forgotten at once.
  std::size_t leaving_max = 4096;
  // Questions after forgotten sessions that are looked at; others are dropped. Each costs a few
  // hashes.
  double resets_per_second = 4000;
  // Packets sealed with one key before it is updated; 0: as many as the cipher allows (RFC 9001
  // 6.6).
  std::uint64_t key_packets_max = 0;
  // Packets of a session that failed to open before it is ended; 0: as many as the cipher allows
  // (RFC 9001 6.6).
  std::uint64_t forged_packets_max = 0;
};

struct EndpointConfig {
  Identity identity;  // invalid: peers know us by the address they see
  KeyPair keys;
  std::vector<std::uint8_t> certificate;  // encoded; empty: none
  TrustStore trust;                       // empty: nobody is authenticated
  bool require_certificate = false;
  std::uint32_t app_id = 0;
  // Somebody outside knows where users are: poll_route_wanted() asks.
  bool asks_routes = false;
  AddressFamilies families = {};  // that a socket is bound for
  // For servers: peers are named by the key that they prove, whatever they call themselves; and
  // every end of a session that is not our own doing is told, a clean one too.
  bool names_by_key = false;
  bool tells_ends = false;
  // What a dial offers first; the other suite comes second.
  AeadSuite suite = AeadSuite::kAesGcm;
  SessionOptions session;
  EndpointLimits limits;
  LogSink log;
  LogLevel log_level = LogLevel::kWarning;
};

}  // namespace whimbrel
