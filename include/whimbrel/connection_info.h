// What get_session_connection_info() and the session_failed callback tell about a session. All of
// these are values: any thread may use its own copy.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <whimbrel/identity.h>

namespace whimbrel {

enum class ConnectionState : int {
  kNone = 0,
  kConnecting = 1,    // one side has asked, and the other one has not accepted yet
  kFindingRoute = 2,  // we have accepted, and nothing of the peer has confirmed it yet
  kConnected = 3,
  kClosedByPeer = 4,
  kProblemDetectedLocally = 5,
};
// "Connecting", "Connected", ...; "?" for any other number.
std::string_view to_string(ConnectionState state);

// Why a session ended. 1000 to 1999: the application. 2000 to 2999: the application, unusual. 3000
// to 3999: something local. 4000 to 4999: something at the peer. 5000 to 5999: other. The ranges,
// and the numbers but 1001, 1002 and 4007, are those of the Steamworks headers.
// docs/TROUBLESHOOTING.md says what each number means.
enum EndReason : int {
  kEndNone = 0,
  kEndAppGeneric = 1000,
  kEndSessionClosed = 1001,
  kEndSessionIdle = 1002,
  kEndAppException = 2000,
  kEndRemoteTimeout = 4001,
  kEndRemoteBadCrypt = 4002,
  kEndRemoteBadCert = 4003,
  kEndRemoteBadVersion = 4006,
  // The peer has a newer session with the same name and key: we are logged in elsewhere.
  // kSendAutoRestartBrokenSession does not begin again, or the two programs would put each other
  // out for ever. close_session_with_user() and then a send do.
  kEndRemoteElsewhere = 4007,
  kEndMiscGeneric = 5001,
  kEndMiscInternalError = 5002,
  kEndMiscTimeout = 5003,
  kEndMiscRendezvous = 5008,  // no address is known for the user
  kEndMiscNatFirewall = 5009,
  kEndMiscPeerSentNoConnection = 5010,
};
// "RemoteTimeout", "MiscUserNotFound" (5008), ...; "App" for another number of the application's
// (1000 to 2999); "?" for any other number.
std::string_view to_string(EndReason reason);

inline constexpr int kInfoUnauthenticated =
    1;  // no authority vouches for the peer's identity: it is what the peer claims
inline constexpr int kInfoUnencrypted =
    2;  // never set: everything that leaves this process is encrypted
inline constexpr int kInfoLoopbackBuffers = 4;  // a session with oneself
inline constexpr int kInfoFast = 8;             // the peer is on this host or link
inline constexpr int kInfoRelayed = 16;

struct ConnectionInfo {
  Identity identity;
  // Another name of the same peer: the one that it showed when it was dialled by address. Invalid
  // if there is none.
  Identity alias;
  ConnectionState state = ConnectionState::kNone;
  int end_reason = 0;     // EndReason or the application's own
  std::string end_debug;  // why it ended, for a person
  // Who it is, and over which path, for a person: "str:bob direct 203.0.113.5:4000, 23 ms", or
  // "str:bob over the relay, 23 ms; site fra". Its form may change.
  std::string debug_description;
  std::string remote_address;  // "203.0.113.5:4000"; empty while relayed or unknown
  // Names of relay sites, up to four characters packed into a number, the first one in the low
  // byte; 0 if there is none or it is not known.
  std::uint32_t remote_pop = 0;  // the peer's home relay
  std::uint32_t pop_relay = 0;   // the relay that our packets go over
  int flags = 0;                 // sum of kInfo...
  std::int64_t user_data = -1;   // of set_user_data(); -1 if it was not set

  // end_reason as a word, as to_string() gives it.
  std::string_view end_reason_text() const { return to_string(static_cast<EndReason>(end_reason)); }
};

struct ConnectionStatus {
  ConnectionState state = ConnectionState::kNone;
  int ping = -1;  // ms, smoothed; -1 unknown
  float local_quality =
      -1;  // 0..1, share of the peer's packets that arrived over the last 10 s; -1 unknown
  float remote_quality = -1;         // the same, of ours, as the peer reports it
  float packets_out_per_second = 0;  // over the last 2 s, datagrams with headers
  float bytes_out_per_second = 0;
  float packets_in_per_second = 0;
  float bytes_in_per_second = 0;
  std::int64_t send_rate = 0;           // bytes/s that the congestion controller allows now
  std::int64_t pending_unreliable = 0;  // payload bytes that wait to leave
  std::int64_t pending_reliable = 0;    // likewise
  std::int64_t sent_unacknowledged_reliable = 0;  // payload bytes
  std::int64_t queue_time_us = 0;                 // until a message that is sent now would leave
  std::int64_t round_trip_us = -1;                // as ping, in microseconds
  std::int64_t window_bytes = 0;                  // congestion window: bytes that may be in flight
  std::int64_t packets_lost = 0;                  // of ours, since the session began
  // Unreliable messages of ours that were dropped because they had waited longer than
  // UnreliableAgeMax, since the session began.
  std::int64_t unreliable_expired = 0;
};

}  // namespace whimbrel
