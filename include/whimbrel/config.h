// Settings: what an instance is made of (Config), and options that can be changed while it runs,
// for all sessions or for one (set_option of NetworkingMessages).
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
  // Fake...: a bad network of the whole instance, for tests; Send of datagrams that leave, Recv of
  // those that come.
  kFakePacketLossSend = 2,     // percent that are lost, 0..100; default 0
  kFakePacketLossRecv = 3,     // the same
  kFakePacketLagSend = 4,      // ms that each is late, 0..5000; default 0
  kFakePacketLagRecv = 5,      // the same
  kFakePacketReorderSend = 6,  // percent held back by ReorderTime, 0..100; default 0
  kFakePacketReorderRecv = 7,  // the same
  kFakePacketReorderTime = 8,  // ms, for both ways, 0..5000; default 15
  kSendBufferSize = 9,         // bytes of payload not yet released, 4096..268435456; default 524288
  // bytes/s, 0..10000000000; default 0. The rate of the congestion controller, but at least Min,
  // and at most Max (0 = no bound).
  kSendRateMin = 10,
  kSendRateMax = 11,
  kNagleTime = 12,  // microseconds, 0..5000; default 5000
  // 0: peers must show a certificate; 1, 2: not. The default is 0 if authorities are given,
  // otherwise 1.
  kAllowWithoutAuth = 23,
  kTimeoutInitial = 24,     // ms, 100..600000; default 10000
  kTimeoutConnected = 25,   // ms, 100..600000; default 10000
  kFakePacketDupSend = 26,  // percent that come twice, 0..100; default 0
  kFakePacketDupRecv = 27,  // the same
  // ms, for both ways: the second copy comes up to so much after the first, 0..5000; default 10
  kFakePacketDupTimeMax = 28,
  kMtuPacketSize = 32,      // largest datagram tried, 1200..65000; default 1472
  kFakeRateLimitSend = 42,  // bytes/s, 0..10000000000, 0 = none; default 0
  kFakeRateLimitRecv = 44,  // the same
  kRecvBufferSize = 47,  // bytes received and unread, a session, 540672..268435456; default 1048576
  // Messages received and unread, a session, of both kinds together, 1..1000000; default 1000.
  // Reliable ones may take half of it (five eighths while no unreliable ones come), unreliable ones
  // the rest, and of either those of one channel three quarters; with 1 no unreliable one fits.
  kRecvBufferMessages = 48,
  kIdleTimeout = 1001,  // ms without a message either way, 1000..86400000; default 180000
  kLingerTime = 1002,   // ms that reliable data has to leave after close, 0..60000; default 1000
  // ms of silence before a keep-alive, 1000..600000; default 15000. Half of kTimeoutConnected if
  // that is less, so that a dead peer is noticed in time.
  kKeepAlive = 1003,
  kPendingRequestsMax = 1004,  // strangers that wait for accept, 1..65536; default 256
  kSessionsMax = 1005,         // 1..1000000; default 100000
  // ms that an unreliable message may wait to leave, while the session is up, 0..60000, 0 = for
  // ever; default 500. Then it is dropped, the oldest first, and counted
  // (ConnectionStatus::unreliable_expired). While a session is being made it is 5000, unless 0.
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
// Nothing (nullptr) if no option has this name; Upper and lower case are the same.
const OptionInfo* find_option(std::string_view name);
// Its name in that list; "?" for any other number.
std::string_view to_string(Option option);

struct OptionValue {
  Option option;
  std::int64_t value;
};

// A peer's known address, so that it can be reached by name without a server. A known key makes the
// first exchange a round trip shorter and refuses anybody else at that address.
struct Route {
  static constexpr std::size_t kAddressesMax = 8;

  Identity identity;
  // Numeric, with a port: "192.168.1.7:4000", "[::1]:4000". No host names, no scope ("%eth0"). Or
  // several of this user, with commas between, at most kAddressesMax: they are tried in this order,
  // 250 ms apart, until one answers (RFC 8305).
  std::string address;
  std::string public_key_hex;  // 64 hex digits, or empty
};

struct Config {
  // Our own name. Invalid: peers know us by the ip: identity that they see.
  Identity identity;
  // UDP addresses to bind, numeric, "0.0.0.0:0" style; port 0 = any. Empty text = that family is
  // not used. If IPv6 is not available and the address is the default, only IPv4 is used.
  std::string bind_v4 = "0.0.0.0:0";
  std::string bind_v6 = "[::]:0";
  // Peers must agree on it.
  std::uint32_t app_id = 0;
  // File with our secret key (made if missing); empty: a fresh key each time. After a restart, a
  // peer that still has the old session then takes us for somebody else with our name, until that
  // session has timed out.
  std::string key_file;
  // File with our certificate, made by `whimbrel cert issue`; empty: none.
  std::string certificate_file;
  // Public keys of authorities that we trust (files made by `whimbrel cert new-authority`). With
  // any: peers without a certificate are refused, unless AllowWithoutAuth says otherwise. With
  // none: everybody is unauthenticated.
  std::vector<std::string> authority_files;
  // A whimbreld: "HOST:PORT", or "HOST:PORT,KEY" with its public key in 64 hex digits. With one,
  // users are found and reached by their names alone, and must show certificates of its authority
  // (unless AllowWithoutAuth is 1). Without the key, whoever answers at that address is believed. A
  // host name is looked up by create(), which may take seconds: up to 8 addresses, IPv6 and IPv4 by
  // turns. They are tried one after the other, 250 ms apart, until one answers (RFC 8305); later
  // the one that has worked comes first. create() fails if nobody has that name, or no address is
  // of a family that is bound. It does not fail if the name cannot be looked up for lack of a
  // network. While the server is not reached, the name is looked up again in the background.
  std::string server;
  // A token (JWT) of the game's backend, if the server requires one to log in.
  std::string login_token;
  // Peers whose addresses are known at the start; add_route() takes more.
  std::vector<Route> routes;
  std::vector<OptionValue> options;
  // true: the instance owns an I/O thread. false: the application calls poll() (or wait()).
  bool own_thread = true;
  // Datagrams that one poll() moves at most, both ways together, before it returns; at least 1. A
  // flood must not keep the application there. What is left then makes wait() and the event handle
  // answer at once.
  std::size_t poll_datagrams_max = 16384;
  // Where debug output goes; called on any thread; must not call the instance.
  std::function<void(DebugLevel, std::string_view)> debug_output;
  DebugLevel debug_level = DebugLevel::kWarning;
  // Segmentation offload (GSO, GRO) where the kernel has it. Off only for measurements.
  bool offload = true;
};

}  // namespace whimbrel
