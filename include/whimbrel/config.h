// Settings: what an instance is made of (Config), and options that can be changed while it runs,
// for all sessions or for one (NetworkingMessages::set_option(), set_session_option()). All of
// these are values and constant tables: any thread may read them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <whimbrel/identity.h>

namespace whimbrel {

enum class DebugLevel : int { kError = 1, kWarning = 2, kInfo = 3, kDebug = 4 };
// "Error", "Warning", ...; "?" for any other number.
std::string_view to_string(DebugLevel level);

// Options by number. Numbers below 100 are those of the Steamworks headers, so that programs
// written for those can set them.
enum class Option : int {
  // The options Fake... make a bad network for the whole instance, for tests. Send is for datagrams
  // that leave, Recv for those that come.
  kFakePacketLossSend = 2,     // percent that are lost, 0..100; default 0
  kFakePacketLossRecv = 3,     // the same
  kFakePacketLagSend = 4,      // ms that each one is late, 0..5000; default 0
  kFakePacketLagRecv = 5,      // the same
  kFakePacketReorderSend = 6,  // percent held back by ReorderTime, 0..100; default 0
  kFakePacketReorderRecv = 7,  // the same
  kFakePacketReorderTime = 8,  // ms, for both ways, 0..5000; default 15
  kSendBufferSize = 9,         // bytes of payload not yet released, 4096..268435456; default 524288
  // bytes/s, 0..10000000000; default 0. A session sends at the rate of its congestion controller,
  // but at least at kSendRateMin, and at most at kSendRateMax (0: no bound).
  kSendRateMin = 10,
  kSendRateMax = 11,
  kNagleTime = 12,  // us that a part-full packet may wait, 0..5000; default 5000
  // 0: peers must show a certificate. 1, 2: they need not. The default is 0 if Config names
  // authorities or a server, otherwise 1.
  kAllowWithoutAuth = 23,
  kTimeoutInitial = 24,     // ms until a session must be made, 100..600000; default 10000
  kTimeoutConnected = 25,   // ms without an answer of the peer, 100..600000; default 10000
  kFakePacketDupSend = 26,  // percent that come twice, 0..100; default 0
  kFakePacketDupRecv = 27,  // the same
  // ms, for both ways, 0..5000; default 10. The second copy comes up to so much after the first.
  kFakePacketDupTimeMax = 28,
  kMtuPacketSize = 32,      // bytes of the largest datagram tried, 1200..65000; default 1472
  kFakeRateLimitSend = 42,  // bytes/s, 0..10000000000, 0 = none; default 0
  kFakeRateLimitRecv = 44,  // the same
  kRecvBufferSize = 47,  // bytes received and unread, a session, 540672..268435456; default 1048576
  // Messages received and unread, a session, of both kinds together, 1..1000000; default 1000.
  // Reliable ones may take half of it (five eighths while no unreliable ones come), unreliable ones
  // the rest. Of each kind the messages of one channel may take about three quarters. With 1 no
  // unreliable message fits.
  kRecvBufferMessages = 48,
  kIdleTimeout = 1001,  // ms without a message either way, 1000..86400000; default 180000
  kLingerTime = 1002,   // ms that reliable data has to leave after close, 0..60000; default 1000
  // ms of silence before a keep-alive, 1000..600000; default 15000. If half of kTimeoutConnected is
  // less, that is used, so that a dead peer is noticed in time.
  kKeepAlive = 1003,
  kPendingRequestsMax = 1004,  // strangers that wait for accept, 1..65536; default 256
  kSessionsMax = 1005,         // 1..1000000; default 100000
  // ms that an unreliable message may wait to leave while the session is up, 0..60000, 0: for ever;
  // default 500. Then it is dropped, the oldest one first, and counted
  // (ConnectionStatus::unreliable_expired). While a session is being made the limit is 5000 ms, or
  // none if this option is 0.
  kUnreliableAgeMax = 1006,
};

struct OptionInfo {
  Option option;
  std::string_view name;  // "SendBufferSize"
  std::int64_t min, max, default_value;
  bool per_session;       // false: for the whole instance only
  std::string_view unit;  // "bytes", "ms", ...
};
// Every option, by ascending number.
std::span<const OptionInfo> all_options();
// nullptr if no option has this name. Upper and lower case are the same.
const OptionInfo* find_option(std::string_view name);
// Its name in that list; "?" for any other number.
std::string_view to_string(Option option);

struct OptionValue {
  Option option;
  std::int64_t value;
};

// A peer's address, so that they can be reached by name without a server. With their key the
// handshake takes a round trip less, and nobody else at that address is talked to.
struct Route {
  static constexpr std::size_t kAddressesMax = 8;

  Identity identity;
  // Numeric, with a port: "192.168.1.7:4000", "[::1]:4000". Host names and scopes ("%eth0") are
  // refused. It may be several addresses of this user with commas between, at most kAddressesMax.
  // They are tried in this order, 250 ms apart, until one answers (RFC 8305).
  std::string address;
  std::string public_key_hex;  // 64 hex digits; empty: not known
};

struct Config {
  // Our own name. If it is invalid, peers know us by the ip: identity that they see.
  Identity identity;
  // UDP addresses to bind, numeric, like "0.0.0.0:0"; port 0: any free one. With an empty text that
  // family is not used. If IPv6 is not available and the address is the default, only IPv4 is used.
  std::string bind_v4 = "0.0.0.0:0";
  std::string bind_v6 = "[::]:0";
  // Number of the application. Peers with another number do not hear each other.
  std::uint32_t app_id = 0;
  // File with our secret key, made if missing (mode 0600). If this is empty, the key is a fresh one
  // each time. After a restart, a peer that still has the old session then takes us for somebody
  // else with our name, until that session has timed out.
  std::string key_file;
  // File with our certificate, made by `whimbrel cert issue`; empty: none.
  std::string certificate_file;
  // Public keys of authorities that we trust (files made by `whimbrel cert new-authority`). If
  // there are any, peers without a certificate are refused, unless kAllowWithoutAuth says
  // otherwise. If there are none, nobody is authenticated.
  std::vector<std::string> authority_files;
  // A whimbreld: "HOST:PORT", or "HOST:PORT,KEY" with its public key in 64 hex digits. With a
  // server, users are found and reached by their names alone, and must show certificates of its
  // authority (unless kAllowWithoutAuth is 1 or 2). Without the key, whoever answers at that
  // address is believed. create() looks a host name up, which may take seconds: up to 8 addresses,
  // IPv6 and IPv4 by turns. They are tried one after the other, 250 ms apart, until one answers
  // (RFC 8305); later the one that has worked comes first. create() fails if nobody has that name,
  // or if no address is of a family that is bound. It does not fail if the name cannot be looked up
  // for lack of a network. While the server is not reached, the name is looked up again in the
  // background.
  std::string server;
  // A token (JWT) of the game's backend, 4096 bytes at most, if the server requires one to log in.
  std::string login_token;
  // Peers whose addresses are known at the start; add_route() takes more.
  std::vector<Route> routes;
  // Of one option set twice the later value counts. create() fails if one is out of its range.
  std::vector<OptionValue> options;
  // true: the instance owns an I/O thread. false: it owns none, and the application calls poll() or
  // wait().
  bool own_thread = true;
  // Datagrams that one poll() moves at most, both ways together, before it returns; at least 1. So
  // a flood does not keep the application inside. If something is left then, wait() and the event
  // handle report it at once.
  std::size_t poll_datagrams_max = 16384;
  // Gets the debug output. It is called on any thread, and must not call the instance.
  std::function<void(DebugLevel, std::string_view)> debug_output;
  DebugLevel debug_level = DebugLevel::kWarning;
  // Segmentation offload (GSO, GRO), if the kernel has it. Switch it off only for measurements.
  bool offload = true;
};

}  // namespace whimbrel
