// What a client and the rendezvous say to each other: each message is one reliable message of their
// session, on channel 0. The first byte is its type. docs/PROTOCOL.md has the same as a table.
//
// The client chooses the `request` numbers; an answer repeats that of its request. 0 stands for the
// login.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "handshake/certificate.h"
#include "handshake/revocations.h"
#include "rendezvous/message_fields.h"

namespace whimbrel::rendezvous {

inline constexpr std::uint8_t kVersion = 1;
// The name that every server shows in the handshake, as a generic string. Its key tells it from
// others.
inline constexpr std::string_view kServerName = "whimbrel server";
inline constexpr std::size_t kTokenTextMax = 4096;  // a JWT
inline constexpr std::size_t kTextMax = 256;        // for a person
inline constexpr std::size_t kSignalBytesMax = 2048;
inline constexpr std::size_t kRelayTokenMax = 256;
inline constexpr std::size_t kSiteNameMax = 16;
inline constexpr std::size_t kRelaySitesMax = 16;
// Tickets of all sites together; a site has one for each of its addresses.
inline constexpr std::size_t kRelayTicketsMax = 32;
inline constexpr std::size_t kSiteAddressesMax = 4;

// --- client to server ---------------------------------------------------------------------------

struct Login {
  static constexpr std::uint8_t kType = 1;
  std::uint8_t version = kVersion;
  std::uint32_t app_id = 0;
  std::string identity;  // the wanted one; empty: the server chooses
  std::string token;     // from the game's backend, in login mode token
  // From an earlier login at this server: it takes the place of a token that has expired since.
  std::vector<std::uint8_t> certificate = {};
  template <typename Fields>
  void fields(Fields& f) {
    f.number(version);
    f.number(app_id);
    f.text(identity, kIdentityTextSizeMax);
    f.text(token, kTokenTextMax);
    f.blob(certificate, kCertificateSizeMax);
  }
};
// Asks for a newer certificate.
struct Renew {
  static constexpr std::uint8_t kType = 2;
  template <typename Fields>
  void fields(Fields&) {}
};
struct Lookup {
  static constexpr std::uint8_t kType = 3;
  std::uint32_t request = 0;
  std::string identity;
  template <typename Fields>
  void fields(Fields& f) {
    f.number(request);
    f.text(identity, kIdentityTextSizeMax);
  }
};
struct Signal {
  static constexpr std::uint8_t kType = 4;
  std::uint32_t request = 0;
  std::string to;
  std::vector<std::uint8_t> body;
  template <typename Fields>
  void fields(Fields& f) {
    f.number(request);
    f.text(to, kIdentityTextSizeMax);
    f.blob(body, kSignalBytesMax);
  }
};
struct WantRelayTicket {
  static constexpr std::uint8_t kType = 5;
  std::uint32_t request = 0;
  template <typename Fields>
  void fields(Fields& f) {
    f.number(request);
  }
};
// The interval of pings, and the longest one that the server can ask for. NATs forget what is
// silent for 30 s.
inline constexpr Duration kPingInterval = seconds(10);
inline constexpr Duration kPingIntervalMax = seconds(25);
struct Ping {
  static constexpr std::uint8_t kType = 6;
  std::uint64_t number = 0;
  template <typename Fields>
  void fields(Fields& f) {
    f.number(number);
  }
};
// Asks to be told when the user comes or goes. The present state is told at once.
struct Watch {
  static constexpr std::uint8_t kType = 7;
  std::string identity;
  bool on = true;
  template <typename Fields>
  void fields(Fields& f) {
    f.text(identity, kIdentityTextSizeMax);
    f.flag(on);
  }
};
// The user logs out: nothing is kept for them. The server closes the session.
struct Logout {
  static constexpr std::uint8_t kType = 8;
  template <typename Fields>
  void fields(Fields&) {}
};
using ClientMessage =
    std::variant<Login, Renew, Lookup, Signal, WantRelayTicket, Ping, Watch, Logout>;

// --- server to client ---------------------------------------------------------------------------

struct LoggedIn {
  static constexpr std::uint8_t kType = 64;
  std::string identity;
  std::vector<std::uint8_t> certificate;
  std::array<std::uint8_t, kKeySize> authority{};  // Ed25519 public key
  std::int64_t unix_ms = 0;                        // the server's clock
  // Beyond it the server refuses; 0: it does not say.
  std::uint32_t requests_per_second = 0;
  template <typename Fields>
  void fields(Fields& f) {
    f.text(identity, kIdentityTextSizeMax);
    f.blob(certificate, kCertificateSizeMax);
    f.fixed(authority);
    f.number(unix_ms);
    f.number(requests_per_second);
  }
};
enum class RefusalCode : std::uint16_t {
  kUnsupported = 1,   // a version
  kMalformed = 2,     // not a message
  kNotLoggedIn = 3,   // only a login may come first
  kBadIdentity = 4,   // no identity, or none that this login mode allows
  kNameTaken = 5,     // the name belongs to another key
  kBadToken = 6,      // the backend's token is not valid
  kWrongApp = 7,      // this server serves another application
  kRevoked = 8,       // this key was revoked
  kFull = 9,          // too many clients, watches, ...
  kTooOften = 10,     // rate limit
  kNoRelay = 11,      // there is no relay
  kUnavailable = 12,  // the server cannot do it now: because of its disk, for example
};
struct Refused {
  static constexpr std::uint8_t kType = 65;
  std::uint32_t request = 0;
  RefusalCode code{};
  std::string text;
  template <typename Fields>
  void fields(Fields& f) {
    f.number(request);
    auto number = static_cast<std::uint16_t>(code);
    f.number(number);
    code = static_cast<RefusalCode>(number);
    f.text(text, kTextMax);
  }
};
struct Found {
  static constexpr std::uint8_t kType = 66;
  std::uint32_t request = 0;
  std::string identity;
  bool online = false;
  std::vector<std::uint8_t> certificate;  // empty unless online
  template <typename Fields>
  void fields(Fields& f) {
    f.number(request);
    f.text(identity, kIdentityTextSizeMax);
    f.flag(online);
    f.blob(certificate, kCertificateSizeMax);
  }
};
struct SignalDone {
  static constexpr std::uint8_t kType = 67;
  std::uint32_t request = 0;
  bool delivered = false;  // handed to the user's session; false: offline
  template <typename Fields>
  void fields(Fields& f) {
    f.number(request);
    f.flag(delivered);
  }
};
struct Signalled {
  static constexpr std::uint8_t kType = 68;
  std::string from;
  std::vector<std::uint8_t> body;
  template <typename Fields>
  void fields(Fields& f) {
    f.text(from, kIdentityTextSizeMax);
    f.blob(body, kSignalBytesMax);
  }
};
// The ticket for one address of a relay; part of RelayTickets.
struct RelayTicket {
  std::array<std::uint8_t, 16> address{};  // all zero: where the client reached this server
  std::uint16_t port = 0;
  std::string site;
  std::vector<std::uint8_t> token;
  std::array<std::uint8_t, kKeySize> secret{};
  std::int64_t not_after = 0;  // Unix seconds
  template <typename Fields>
  void fields(Fields& f) {
    f.fixed(address);
    f.number(port);
    f.text(site, kSiteNameMax);
    f.blob(token, kRelayTokenMax);
    f.fixed(secret);
    f.number(not_after);
  }
};
struct RelayTickets {
  static constexpr std::uint8_t kType = 69;
  std::uint32_t request = 0;
  // One for each address of each site, grouped by site, in the operator's order of preference.
  std::vector<RelayTicket> relays;
  template <typename Fields>
  void fields(Fields& f) {
    f.number(request);
    f.list(relays, kRelayTicketsMax);
  }
};
struct Pong {
  static constexpr std::uint8_t kType = 70;
  std::uint64_t number = 0;
  std::uint8_t seconds = 0;  // until the next ping; 0: it does not say
  template <typename Fields>
  void fields(Fields& f) {
    f.number(number);
    f.number(seconds);
  }
};
struct Presence {
  static constexpr std::uint8_t kType = 71;
  std::string identity;
  bool online = false;
  template <typename Fields>
  void fields(Fields& f) {
    f.text(identity, kIdentityTextSizeMax);
    f.flag(online);
  }
};
struct Renewed {
  static constexpr std::uint8_t kType = 72;
  std::vector<std::uint8_t> certificate;
  template <typename Fields>
  void fields(Fields& f) {
    f.blob(certificate, kCertificateSizeMax);
  }
};
// The session ends: the same user has logged in elsewhere, or the server stops.
struct Farewell {
  static constexpr std::uint8_t kType = 73;
  bool replaced = false;
  std::uint16_t seconds = 0;  // until the server stops
  template <typename Fields>
  void fields(Fields& f) {
    f.flag(replaced);
    f.number(seconds);
  }
};
// The signed list of revoked keys (handshake/revocations.h). Sent after a login if there are any,
// and when the list changes.
struct Revocations {
  static constexpr std::uint8_t kType = 74;
  std::vector<std::uint8_t> list;
  template <typename Fields>
  void fields(Fields& f) {
    f.blob(list, kRevocationsSizeMax);
  }
};
// Asks whether the client is there. It answers with a Ping.
struct Check {
  static constexpr std::uint8_t kType = 75;
  template <typename Fields>
  void fields(Fields&) {}
};
using ServerMessage = std::variant<LoggedIn, Refused, Found, SignalDone, Signalled, RelayTickets,
                                   Pong, Presence, Renewed, Farewell, Revocations, Check>;

// Whether a message of the server may be lost: those that others cause, and that are no answers. A
// client that is slow to take them is not disconnected for it.
bool may_be_lost(Bytes message);
bool is_presence(Bytes message);

// Every field must be within its limit (ASSERT).
std::vector<std::uint8_t> encode(const ClientMessage& message);
std::vector<std::uint8_t> encode(const ServerMessage& message);
// Nothing unless `bytes` is exactly one message of the kind.
std::optional<ClientMessage> decode_client_message(Bytes bytes);
std::optional<ServerMessage> decode_server_message(Bytes bytes);

}  // namespace whimbrel::rendezvous
