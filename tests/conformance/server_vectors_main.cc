// Writes what the server's parts say, as JSON: server_vectors.json. Keys, nonces and fields are
// fixed; every packet of the relay, every message of the rendezvous and what must be refused, with
// the verdict of the real code.
#include <algorithm>
#include <cstdio>
#include <numeric>
#include <string>

#include "base/random.h"
#include "network/signal.h"
#include "relay/framing.h"
#include "relay/grant.h"
#include "relay/leg_keys.h"
#include "relay/token.h"
#include "rendezvous/lobby_messages.h"
#include "rendezvous/messages.h"

namespace whimbrel::vectors {
namespace {

using Buffer = std::vector<std::uint8_t>;

std::string hex(Bytes bytes) {
  std::string text = "\"";
  for (const std::uint8_t byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text + "\"";
}

template <std::size_t kSize>
std::array<std::uint8_t, kSize> counted(std::uint8_t first) {
  std::array<std::uint8_t, kSize> bytes;
  std::iota(bytes.begin(), bytes.end(), first);
  return bytes;
}

// One vector a line.
class Writer {
 public:
  void add(const std::string& what, const std::string& inputs, Bytes bytes, bool good,
           const std::string& fields = "[]") {
    if (!text_.empty()) text_ += ",\n";
    text_ += "{\"what\": \"" + what + "\", " + inputs + "\"bytes\": " + hex(bytes) +
             ", \"good\": " + (good ? "true" : "false") + ", \"fields\": " + fields + "}";
  }
  std::string take() const { return "{\"vectors\": [\n" + text_ + "\n]}\n"; }

 private:
  std::string text_;
};

// Lists the values of a message's fields in their order, behind its type.
class FieldLister {
 public:
  template <std::integral Number>
  void number(const Number& value) {
    add(std::to_string(value));
  }
  void flag(const bool& value) { add(value ? "true" : "false"); }
  template <std::size_t kSize>
  void fixed(const std::array<std::uint8_t, kSize>& value) {
    add(hex(value));
  }
  void text(const std::string& value, std::size_t) { add('"' + value + '"'); }
  void blob(const Buffer& value, std::size_t) { add(hex(value)); }
  template <typename Enum>
  void choice(const Enum& value, Enum) {
    add(std::to_string(static_cast<int>(value)));
  }
  template <typename Enum>
  void id(const Enum& value) {
    add(std::to_string(static_cast<std::uint64_t>(value)));
  }
  template <typename Element>
  void list(std::vector<Element>& elements, std::size_t) {
    FieldLister all;
    for (Element& element : elements) {
      FieldLister one;
      element.fields(one);
      all.add(one.take());
    }
    add(all.take());
  }
  std::string take() const { return "[" + text_ + "]"; }

 private:
  void add(const std::string& value) { text_ += (text_.empty() ? "" : ", ") + value; }
  std::string text_;
};

template <typename Variant>
std::string fields_of(const Variant& message) {
  return std::visit(
      [](auto copy) {
        FieldLister lister;
        lister.number(copy.kType);
        copy.fields(lister);
        return lister.take();
      },
      message);
}

// ---- relay --------------------------------------------------------------------------------------

const Secret kTicketSecret(counted<32>(0x40));
const relay::Nonce kClientNonce = counted<16>(1);
const relay::Nonce kRelayNonce = counted<16>(0x81);

bool is_good(relay::Kind kind, Bytes bytes) {
  switch (kind) {
    case relay::Kind::kOpen:
      return relay::read_open(bytes) && relay::check_mac(kTicketSecret, kind, bytes);
    case relay::Kind::kCookie:
      return relay::read_cookie_reply(bytes).has_value();
    case relay::Kind::kOpened:
      return relay::read_opened(bytes) && relay::check_mac(kTicketSecret, kind, bytes);
    default:
      return relay::read_refused(bytes) && relay::check_mac(kTicketSecret, kind, bytes);
  }
}

void opening(Writer& out, relay::Kind kind, Buffer packet) {
  const std::string inputs = "\"secret\": " + hex(kTicketSecret.view()) + ", ";
  const auto add = [&](const Buffer& bytes) {
    out.add("opening", inputs, bytes, is_good(kind, bytes));
  };
  add(packet);
  for (const std::size_t at : {std::size_t{1}, std::size_t{3}, packet.size() - 1}) {
    Buffer changed = packet;
    changed[at] ^= 1;
    add(changed);
  }
  packet.pop_back();
  add(packet);
}

void openings(Writer& out) {
  std::array<std::uint8_t, 1200> buffer;
  const auto signed_by_us = [](relay::Kind kind, MutableBytes packet) {
    const std::size_t size = packet.size();
    relay::write_mac(kTicketSecret, kind, packet);
    return Buffer(packet.data(), packet.data() + size);
  };
  const auto token = counted<relay::kTokenSize>(3);
  buffer.fill(0);
  const MutableBytes open = relay::write_open(buffer, kClientNonce, counted<16>(0x21), token);
  const std::size_t whole = std::max(open.size(), relay::kOpenSizeMin);
  opening(out, relay::Kind::kOpen,
          signed_by_us(relay::Kind::kOpen, MutableBytes(buffer).first(whole)));
  const std::size_t size = relay::write_cookie_reply(buffer, {kClientNonce, counted<16>(0x21)});
  opening(out, relay::Kind::kCookie, Buffer(buffer.data(), buffer.data() + size));
  const relay::Opened opened{kClientNonce,
                             kRelayNonce,
                             relay::SlotId::of(0x12345, 0x678),
                             0xa1b2c3d4,
                             IpAddress::v4(192, 0, 2, 7, 4040),
                             7200,
                             30};
  opening(out, relay::Kind::kOpened,
          signed_by_us(relay::Kind::kOpened, relay::write_opened(buffer, opened)));
  for (const auto reason : {relay::Refusal::kFull, relay::Refusal::kDraining,
                            relay::Refusal::kIdentityLimit, relay::Refusal::kExpired}) {
    opening(
        out, relay::Kind::kRefused,
        signed_by_us(relay::Kind::kRefused, relay::write_refused(buffer, {reason, kClientNonce})));
  }
}

void leg(Writer& out, const relay::LegHeader& header, std::size_t payload) {
  const relay::LegKeys keys = relay::leg_keys(kTicketSecret, kClientNonce, kRelayNonce);
  const bool up = header.kind == relay::Kind::kSend || header.kind == relay::Kind::kAsk;
  const SipKey& key = up ? keys.up : keys.down;
  Buffer packet(relay::kHeaderSize + payload);
  relay::write_leg_header(packet.data(), header);
  std::iota(packet.begin() + relay::kHeaderSize, packet.end(), std::uint8_t{1});
  relay::write_leg_tag(key, packet);
  const std::string inputs = "\"secret\": " + hex(kTicketSecret.view()) +
                             ", \"nonce\": " + hex(kClientNonce) +
                             ", \"relay_nonce\": " + hex(kRelayNonce) + ", ";
  const std::string fields =
      "[" + std::to_string(header.detail) + ", " + std::to_string(header.handle) + ", " +
      std::to_string(header.slot.value) + ", " + std::to_string(header.sequence) + "]";
  const auto add = [&](const Buffer& bytes) {
    out.add("leg", inputs, bytes, relay::check_leg_tag(key, bytes), fields);
  };
  add(packet);
  Buffer longer = packet;
  longer.push_back(0);
  add(longer);
  packet.back() ^= 1;  // beyond the first 16 bytes of what is forwarded nobody looks
  add(packet);
  packet[12] ^= 1;
  add(packet);
}

void legs(Writer& out) {
  const relay::SlotId slot = relay::SlotId::of(9, 5);
  for (const std::size_t payload : {1u, 15u, 16u, 17u, 1200u}) {
    leg(out, {relay::Kind::kSend, 0, 513, slot, 1}, payload);
    leg(out, {relay::Kind::kDeliver, 0, 0, slot, 0xf0000000}, payload);
  }
  const std::size_t asks[] = {37, 26, 0, relay::kTokenSize, 8, 2, 1};
  const std::size_t tells[] = {7, 26, 1, 4, 8, 2, 4};
  for (std::uint8_t kind = 1; kind <= 7; ++kind) {
    leg(out, {relay::Kind::kAsk, kind, 0, slot, kind}, asks[kind - 1]);
    leg(out, {relay::Kind::kTell, kind, 0, slot, kind}, tells[kind - 1]);
  }
}

void grants(Writer& out) {
  const relay::LegKeys keys = relay::leg_keys(kTicketSecret, kClientNonce, kRelayNonce);
  relay::Grant grant{relay::site_id("home"),
                     relay::SlotId::of(9, 5),
                     relay::identity_hash(7, "str:alice"),
                     1'800'000'000,
                     3,
                     {}};
  relay::sign_grant(grant, keys.grant);
  Buffer bytes(relay::kGrantSize);
  ByteWriter writer(bytes);
  relay::write_grant(writer, grant);
  const std::string inputs = "\"secret\": " + hex(kTicketSecret.view()) +
                             ", \"nonce\": " + hex(kClientNonce) +
                             ", \"relay_nonce\": " + hex(kRelayNonce) +
                             ", \"site\": \"home\", \"app_id\": 7, \"identity\": \"str:alice\", ";
  const auto add = [&](const Buffer& changed) {
    const auto read = relay::read_grant(changed);
    out.add("grant", inputs, changed, read && relay::check_grant(*read, keys.grant));
  };
  add(bytes);
  for (const std::size_t at : {28u, 29u, 36u}) {
    Buffer changed = bytes;
    changed[at] ^= 1;
    add(changed);
  }
  bytes.push_back(0);
  add(bytes);
}

void tokens(Writer& out) {
  const Secret master(counted<32>(0x90));
  constexpr UnixMillis kUnix = 1'800'000'000'000;
  relay::SiteKeys keys(master);
  FastRandom random(5);
  relay::Token token;
  token.id = counted<8>(1);
  token.identity = relay::identity_hash(7, "str:alice");
  token.app_id = 7;
  token.not_after = 1'800'007'200;
  token.bytes_per_second = 65536;
  token.packets_per_second = 500;
  token.secret = kTicketSecret;
  const relay::SealedToken sealed = keys.seal(token, random, kUnix / 1000);
  const std::string inputs =
      "\"master\": " + hex(master.view()) + ", \"unix_ms\": " + std::to_string(kUnix) + ", ";
  const std::string fields = "[" + hex(token.id) + ", " + hex(token.identity) +
                             ", 7, 1800007200, 65536, 500, " + hex(kTicketSecret.view()) + "]";
  const auto add = [&](const Buffer& bytes) {
    out.add("token", inputs, bytes, keys.open(bytes, kUnix / 1000).has_value(), fields);
  };
  Buffer bytes(sealed.begin(), sealed.end());
  add(bytes);
  for (const std::size_t at : {0u, 1u, 50u, 104u}) {
    Buffer changed = bytes;
    changed[at] ^= 1;
    add(changed);
  }
  bytes.pop_back();
  add(bytes);
}

void signals(Writer& out) {
  relay::Grant grant{1, relay::SlotId::of(9, 5), counted<16>(1), 1'800'000'000, 3, counted<8>(2)};
  const auto add = [&](const Buffer& bytes) {
    const auto read = read_signal(bytes);
    std::string fields = "[";
    if (read) {
      fields += std::to_string(static_cast<int>(read->kind)) + ", " + hex(read->packet);
      for (const PeerSlot& slot : read->slots) {
        Buffer one(relay::kGrantSize);
        ByteWriter writer(one);
        relay::write_grant(writer, slot.grant);
        fields += ", " + hex(one) + ", " + std::to_string(slot.rtt);
      }
    }
    out.add("signal", "", bytes, read.has_value(), fields + "]");
  };
  const Buffer packet(40, 0xe0);
  for (const auto kind : {SignalKind::kPacket, SignalKind::kGrant, SignalKind::kAskGrant}) {
    const bool with_packet = kind == SignalKind::kPacket;
    const std::vector<PeerSlot> slots(kind == SignalKind::kAskGrant ? 0 : 8, {grant, 123});
    add(write_signal({kind, slots, with_packet ? Bytes(packet) : Bytes()}));
  }
  add({0, 0});
  add({4, 0});
  add({1});
  add({2, 1, 0});
  Buffer many(2 + 9 * 39);
  many[0] = 2;
  many[1] = 9;
  add(many);
  add(Buffer(2048, 1));
  Buffer largest(2048);
  largest[0] = 1;
  add(largest);
  largest.push_back(0);
  add(largest);
}

// ---- rendezvous ---------------------------------------------------------------------------------

using namespace rendezvous;

template <typename Variant, typename Decode>
void messages(Writer& out, const char* what, Decode decode, const std::vector<Variant>& all,
              const std::vector<Buffer>& hostile) {
  const auto add = [&](const Buffer& bytes) {
    const auto read = decode(bytes);
    out.add(what, "", bytes, read.has_value(), read ? fields_of(*read) : "[]");
  };
  for (const Variant& message : all) {
    Buffer bytes = encode(message);
    add(bytes);
    bytes.push_back(0);
    add(bytes);
    bytes.pop_back();
    bytes.pop_back();
    add(bytes);
  }
  for (const Buffer& bytes : hostile) add(bytes);
}

void client_messages(Writer& out) {
  const std::vector<ClientMessage> all{Login{1, 7, "str:alice", "a.b.c", {1, 2, 3}},
                                       Renew{},
                                       Lookup{9, "str:bob"},
                                       Signal{10, "str:bob", Buffer(100, 4)},
                                       WantRelayTicket{11},
                                       Ping{~0ull},
                                       Watch{"str:bob", true},
                                       Watch{"str:bob", false},
                                       Logout{}};
  Buffer long_name = encode(ClientMessage(Lookup{1, std::string(127, 'x')}));
  long_name[6]++;
  long_name.push_back('x');
  messages(out, "client", decode_client_message, all,
           {{},
            {0},
            {9},
            {3, 0, 0, 0, 9, 0x40, 1, 'x'},                    // a size that is longer than needed
            {3, 0, 0, 0, 9, 0xc0, 0, 0, 0, 0, 0, 0, 1, 'x'},  // by much
            {3, 0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
            {7, 1, 'x', 2},
            long_name});
}

void server_messages(Writer& out) {
  RelayTicket ticket;
  ticket.port = 4040;
  ticket.site = "home";
  ticket.token.assign(105, 7);
  ticket.secret = counted<32>(1);
  ticket.not_after = -1;
  const std::vector<ServerMessage> all{
      LoggedIn{"str:alice", Buffer(200, 3), counted<32>(9), 1'800'000'000'123, 200},
      Refused{3, RefusalCode::kNameTaken, "the name is taken"},
      Found{5, "str:bob", true, {1, 2}},
      SignalDone{6, true},
      Signalled{"str:bob", Buffer(70, 1)},
      RelayTickets{4, {ticket, ticket}},
      Pong{1, 25},
      Presence{"str:bob", true},
      Renewed{{1}},
      Farewell{true, 30},
      Revocations{Buffer(83, 3)},
      Check{}};
  messages(out, "server", decode_server_message, all,
           {{63},
            {76},
            {69, 0, 0, 0, 1, 0},   // no site
            {69, 0, 0, 0, 1, 17},  // too many
            {65, 0, 0, 0, 1, 1, 0, 0},
            {73, 2, 0, 0}});
}

void lobby_messages(Writer& out) {
  const LobbyId lobby{0x1122334455667788};
  rendezvous::LobbyFilter filter;
  filter.key = "map";
  filter.text = "dunes";
  filter.number = -5;
  const LobbyDatum datum{"map", "dunes"};
  const LobbyStanding standing{"str:a", 77, 78, {{79}, {80}}};
  const std::vector<LobbyRequest> requests{
      LobbyCreate{1, LobbyKind::kInvisible, 8},
      LobbyList{2, {filter, filter}, 1, 50},
      LobbyJoin{3, lobby},
      LobbyLeave{4, lobby},
      LobbySetData{5, lobby, true, false, datum},
      LobbyChat{6, lobby, {1, 2, 3}},
      LobbyKick{7, lobby, "str:bob"},
      LobbySetOwner{8, lobby, "str:bob"},
      LobbyConfigure{9, lobby, LobbyKind::kInvisible, 8, false},
      LobbyRestore{
          10, lobby, standing, counted<16>(1), LobbyKind::kInvisible, 8, true, {datum}, {datum}},
      LobbyReport{11, lobby, "str:bob"}};
  messages(out, "lobby client", decode_lobby_request, requests,
           {{16, 0, 0, 0, 1, 3, 8},
            {16, 0, 0, 0, 1, 2, 0},
            {17, 0, 0, 0, 1, 17, 0, 0},
            {27},
            {17, 0, 0, 0, 1, 0, 0, 51}});
  const std::vector<LobbyNotice> notices{
      LobbyAnswer{1, LobbyResult::kKicked, "no"},
      LobbyEntered{
          2, lobby, LobbyKind::kInvisible, 8, true, "str:a", {{"str:a", {datum}}}, {datum}},
      LobbyListed{3, {{lobby, 1, 8, {datum}}}},
      LobbyMemberships{{{lobby}, {lobby}}},
      LobbyMemberJoined{lobby, "str:bob"},
      LobbyMemberLeft{lobby, "str:bob", LobbyLeaveWhy::kDisconnected},
      LobbyDataChanged{lobby, "str:bob", true, datum},
      LobbyChatted{lobby, "str:bob", {1}},
      LobbyChanged{lobby, LobbyKind::kInvisible, 8, true, "str:a"},
      LobbyClaimed{lobby, standing, counted<16>(1)}};
  messages(out, "lobby server", decode_lobby_notice, notices,
           {{96, 0, 0, 0, 1, 13, 0}, {99, 9}, {106}});
}

std::string all_vectors() {
  Writer out;
  openings(out);
  legs(out);
  grants(out);
  tokens(out);
  signals(out);
  client_messages(out);
  server_messages(out);
  lobby_messages(out);
  return out.take();
}

}  // namespace
}  // namespace whimbrel::vectors

int main(int argc, char** argv) {
  const std::string text = whimbrel::vectors::all_vectors();
  std::FILE* file = argc > 1 ? std::fopen(argv[1], "wb") : stdout;
  if (file == nullptr) {
    std::perror(argv[1]);
    return 1;
  }
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return std::fclose(file) == 0 && written ? 0 : 1;
}
