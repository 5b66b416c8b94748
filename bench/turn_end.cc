// The client's end of a TURN allocation: RFC 8656 over RFC 8489, long-term credentials, as much as
// a load generator needs.
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <poll.h>

#include <array>
#include <optional>

#include "relay_end.h"

namespace bench {
namespace {

using whimbrel::ByteReader;
using whimbrel::ByteWriter;

// What bench/server_rows.py tells the TURN server.
constexpr std::string_view kUser = "bench";
constexpr std::string_view kPassword = "bench";

constexpr std::uint32_t kMagicCookie = 0x2112a442;
constexpr std::size_t kStunHeaderSize = 20;
constexpr std::size_t kIntegritySize = 20;
// RFC 8656 12: 0x4000 to 0x4fff.
constexpr std::uint16_t kChannel = 0x4000;
constexpr std::size_t kChannelHeaderSize = 4;

enum Method : std::uint16_t { kAllocate = 0x0003, kChannelBind = 0x0009 };
enum Attribute : std::uint16_t {
  kUsername = 0x0006,
  kMessageIntegrity = 0x0008,
  kChannelNumber = 0x000c,
  kXorPeerAddress = 0x0012,
  kRealm = 0x0014,
  kNonce = 0x0015,
  kXorRelayedAddress = 0x0016,
  kRequestedTransport = 0x0019,
};

std::string_view text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
void put16(std::uint8_t* at, std::size_t value) {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}

// One request as it is written.
class Request {
 public:
  Request(Method method, std::uint64_t transaction) : bytes_(kStunHeaderSize) {
    put16(&bytes_[0], method);
    ByteWriter(MutableBytes(bytes_).subspan(4, 4)).u32(kMagicCookie);
    ByteWriter(MutableBytes(bytes_).subspan(12, 8)).u64(transaction);
  }

  // RFC 8489 14: padded to a multiple of 4.
  void add(Attribute type, Bytes value) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + 4 + (value.size() + 3) / 4 * 4);
    put16(&bytes_[at], type);
    put16(&bytes_[at + 2], value.size());
    std::copy(value.begin(), value.end(), bytes_.begin() + static_cast<long>(at) + 4);
    put16(&bytes_[2], bytes_.size() - kStunHeaderSize);
  }
  void add_address(Attribute type, const sockaddr_in& address) {
    std::array<std::uint8_t, 8> value = {0, 1};
    put16(&value[2], ntohs(address.sin_port) ^ (kMagicCookie >> 16));
    ByteWriter(MutableBytes(value).subspan(4)).u32(ntohl(address.sin_addr.s_addr) ^ kMagicCookie);
    add(type, value);
  }
  // RFC 8489 14.5: over everything before it, with a length that includes it.
  void sign(Bytes key) {
    put16(&bytes_[2], bytes_.size() + 4 + kIntegritySize - kStunHeaderSize);
    std::array<std::uint8_t, kIntegritySize> mac;
    HMAC(EVP_sha1(), key.data(), static_cast<int>(key.size()), bytes_.data(), bytes_.size(),
         mac.data(), nullptr);
    add(kMessageIntegrity, mac);
  }
  Bytes bytes() const { return bytes_; }

 private:
  std::vector<std::uint8_t> bytes_;
};

class Response {
 public:
  Response(Bytes bytes) : bytes_(bytes) {}
  bool answers(const Request& request) const {
    return bytes_.size() >= kStunHeaderSize && (bytes_[0] & 0xc1) == 0x01 &&
           std::equal(bytes_.begin() + 4, bytes_.begin() + kStunHeaderSize,
                      request.bytes().begin() + 4);
  }
  bool is_success() const { return (bytes_[1] & 0x10) == 0; }
  std::optional<Bytes> find(Attribute wanted) const {
    for (Bytes rest = bytes_.subspan(kStunHeaderSize); rest.size() >= 4;) {
      const std::size_t type = rest[0] << 8 | rest[1];
      const std::size_t size = static_cast<std::size_t>(rest[2]) << 8 | rest[3];
      const std::size_t padded = 4 + (size + 3) / 4 * 4;
      if (padded > rest.size()) break;
      if (type == wanted) return rest.subspan(4, size);
      rest = rest.subspan(padded);
    }
    return std::nullopt;
  }

 private:
  Bytes bytes_;
};

class TurnEnd final : public End {
 public:
  TurnEnd() : End(nonblocking_socket()) {}

  std::size_t wrap(Bytes payload, MutableBytes out, Instant) override {
    put16(&out[0], kChannel);
    put16(&out[2], payload.size());
    std::memcpy(&out[kChannelHeaderSize], payload.data(), payload.size());
    return kChannelHeaderSize + payload.size();
  }
  MutableBytes unwrap(MutableBytes datagram, Instant) override {
    if (datagram.size() < kChannelHeaderSize || datagram[0] != kChannel >> 8) return {};
    const std::size_t size = static_cast<std::size_t>(datagram[2]) << 8 | datagram[3];
    return datagram.subspan(kChannelHeaderSize,
                            std::min(size, datagram.size() - kChannelHeaderSize));
  }

  // RFC 8489 9.2: the first answer says realm and nonce. False: from another port, perhaps.
  bool allocate() {
    Request first(kAllocate, ++transaction_);
    add_transport(first);
    ask(first);
    Response refusal(answer());
    realm_ = text_of(refusal.find(kRealm).value_or(Bytes()));
    nonce_ = text_of(refusal.find(kNonce).value_or(Bytes()));
    // Before any credentials: the server still has an allocation of this port, which another
    // process had.
    if (realm_.empty() || nonce_.empty()) return false;
    const std::string secret = std::string(kUser) + ":" + realm_ + ":" + std::string(kPassword);
    EVP_Digest(secret.data(), secret.size(), key_.data(), nullptr, EVP_md5(), nullptr);
    Request second(kAllocate, ++transaction_);
    add_transport(second);
    ask_signed(second);
    const auto relayed = Response(answer()).find(kXorRelayedAddress);
    if (!relayed || relayed->size() != 8) fail("no relayed address");
    relayed_.sin_family = AF_INET;
    relayed_.sin_port = htons(
        static_cast<std::uint16_t>(((*relayed)[2] << 8 | (*relayed)[3]) ^ (kMagicCookie >> 16)));
    relayed_.sin_addr.s_addr = htonl(ByteReader(relayed->subspan(4)).u32() ^ kMagicCookie);
    return true;
  }
  // Permission included: RFC 8656 12.
  void bind_channel(const sockaddr_in& peer) {
    Request request(kChannelBind, ++transaction_);
    request.add(kChannelNumber, std::array<std::uint8_t, 4>{kChannel >> 8, kChannel & 0xff, 0, 0});
    request.add_address(kXorPeerAddress, peer);
    ask_signed(request);
  }
  const sockaddr_in& relayed() const { return relayed_; }

 private:
  static void add_transport(Request& request) {
    request.add(kRequestedTransport, std::array<std::uint8_t, 4>{17, 0, 0, 0});  // UDP
  }
  void ask_signed(Request& request) {
    request.add(kUsername, bytes_of(kUser));
    request.add(kRealm, bytes_of(realm_));
    request.add(kNonce, bytes_of(nonce_));
    request.sign(key_);
    ask(request);
    if (!Response(answer()).is_success()) fail("the TURN server refuses");
  }
  // Until it is answered.
  void ask(const Request& request) {
    for (int i = 0; i < 10; ++i) {
      ::send(fd(), request.bytes().data(), request.bytes().size(), 0);
      pollfd readable = {fd(), POLLIN, 0};
      while (poll(&readable, 1, 500) > 0) {
        const ssize_t size = recv(fd(), buffer_.data(), buffer_.size(), 0);
        if (size < 0) break;
        answer_size_ = static_cast<std::size_t>(size);
        if (Response(answer()).answers(request)) return;
      }
    }
    fail("the TURN server does not answer");
  }
  Bytes answer() const { return Bytes(buffer_).first(answer_size_); }

  std::uint64_t transaction_ = 0;
  std::string realm_, nonce_;
  std::array<std::uint8_t, 16> key_{};
  sockaddr_in relayed_ = {};
  std::array<std::uint8_t, 2048> buffer_;
  std::size_t answer_size_ = 0;
};

// A peer that knows nothing of TURN: RFC 8656 2.
class PlainEnd final : public End {
 public:
  PlainEnd() : End(nonblocking_socket()) {}
  std::size_t wrap(Bytes payload, MutableBytes out, Instant) override {
    std::memcpy(out.data(), payload.data(), payload.size());
    return payload.size();
  }
  MutableBytes unwrap(MutableBytes datagram, Instant) override { return datagram; }
};

std::unique_ptr<TurnEnd> allocated(const Arguments& arguments) {
  for (int i = 0; i < 10; ++i) {
    auto end = std::make_unique<TurnEnd>();
    connect_to(end->fd(), loopback(arguments.port));
    if (end->allocate()) return end;
  }
  fail("the TURN server allocates nothing");
}

}  // namespace

std::vector<EndPair> make_turn_pairs(std::size_t count, bool plain, const Arguments& arguments) {
  std::vector<EndPair> pairs;
  for (std::size_t i = 0; i < count; ++i) {
    auto a = allocated(arguments);
    if (plain) {
      auto b = std::make_unique<PlainEnd>();
      connect_to(b->fd(), a->relayed());
      a->bind_channel(address_of(b->fd()));
      pairs.emplace_back(std::move(a), std::move(b));
    } else {
      auto b = allocated(arguments);
      a->bind_channel(b->relayed());
      b->bind_channel(a->relayed());
      pairs.emplace_back(std::move(a), std::move(b));
    }
  }
  return pairs;
}

std::vector<std::unique_ptr<End>> make_turn_ends(std::size_t count, const Arguments& arguments) {
  std::vector<std::unique_ptr<End>> ends;
  for (std::size_t i = 0; i < count; ++i) ends.push_back(allocated(arguments));
  return ends;
}

EndPair make_direct_pair() {
  auto a = std::make_unique<PlainEnd>(), b = std::make_unique<PlainEnd>();
  connect_to(a->fd(), address_of(b->fd()));
  connect_to(b->fd(), address_of(a->fd()));
  return {std::move(a), std::move(b)};
}

}  // namespace bench
