// Floods of what a relay has to refuse. What became of it says the server, not this program.
#include <array>

#include "relay/leg_keys.h"
#include "relay_rows.h"
#include "relay_tickets.h"
#include "spoofer.h"

namespace bench {
namespace {

using namespace whimbrel;

constexpr std::size_t kShortBytes = 100;

// One Open of each source.
class Opens {
 public:
  Opens(Tickets& tickets, Spoofer& spoofer) : spoofer_(spoofer), opens_(kSources) {
    relay::IdentityHash identity{};
    const relay::Ticket ticket = tickets.make(identity);
    for (std::size_t i = 0; i < kSources; ++i) {
      tickets.random().fill(nonces_[i]);
      ByteWriter(nonces_[i]).u32(static_cast<std::uint32_t>(i));
      relay::write_open(opens_[i], nonces_[i], relay::RelayCookie{}, ticket.token);
    }
  }

  // Asks until nearly all sources have their cookie.
  void get_cookies() {
    spoil_tokens();
    std::size_t known = 0;
    for (const double limit = now_s() + 5; known < kSources * 9 / 10;) {
      if (now_s() > limit) fail("the relay gives no cookies");
      for (std::size_t i = 0; i < kSources; ++i) {
        if (has_cookie_[i]) continue;
        spoofer_.add(i, opens_[i]);
        if (i % kBatch == kBatch - 1) known += take_cookies();
      }
      spoofer_.flush();
      known += take_cookies();
    }
  }
  void forget_cookies() {
    for (auto& open : opens_) std::fill_n(open.begin() + 4 + relay::kNonceSize, 16, std::uint8_t{});
  }
  // Sealed by somebody else; and back again.
  void spoil_tokens() {
    for (auto& open : opens_) open[relay::kOpenTokenOffset + 20] ^= 1;
  }
  Bytes operator[](std::size_t i) const { return opens_[i]; }

 private:
  std::size_t take_cookies() {
    std::size_t count = 0;
    std::array<std::uint8_t, 256> buffer;
    ssize_t size = 0;
    while ((size = recv(spoofer_.fd(), buffer.data(), buffer.size(), 0)) > 0) {
      const auto reply =
          relay::read_cookie_reply(Bytes(buffer).first(static_cast<std::size_t>(size)));
      if (!reply) continue;
      const std::size_t i = ByteReader(reply->nonce).u32();
      if (i >= kSources || has_cookie_[i]) continue;
      has_cookie_[i] = true;
      ++count;
      std::copy(reply->cookie.begin(), reply->cookie.end(),
                opens_[i].begin() + 4 + relay::kNonceSize);
    }
    return count;
  }

  Spoofer& spoofer_;
  std::vector<std::array<std::uint8_t, relay::kOpenSizeMin>> opens_;
  std::array<relay::Nonce, kSources> nonces_{};
  std::array<bool, kSources> has_cookie_{};
};

template <typename Make>
void flood(const char* name, Spoofer& spoofer, double seconds, const Make& make) {
  // The harness reads the server's counters, and says when.
  std::printf("%s\n", name);
  std::fflush(stdout);
  char byte;
  if (read(STDIN_FILENO, &byte, 1) != 1) fail("nobody listens");
  std::size_t at = 0;
  for (const double end = now_s() + seconds; now_s() < end;) {
    for (std::size_t i = 0; i < kBatch; ++i, ++at) spoofer.add(at % kSources, make(at % kSources));
  }
}

}  // namespace

void send_junk(const Arguments& arguments) {
  Tickets tickets(arguments);
  Spoofer spoofer(arguments.port);
  Opens opens(tickets, spoofer);
  std::array<std::uint8_t, kFullBytes> packet{};
  relay::write_leg_header(packet.data(), {relay::Kind::kSend, 0, 0, relay::SlotId{77}, 1});
  const auto open = [&](std::size_t i) { return opens[i]; };
  opens.get_cookies();
  flood("short", spoofer, arguments.seconds,
        [&](std::size_t i) { return opens[i].first(kShortBytes); });
  flood("packet", spoofer, arguments.seconds, [&](std::size_t) { return Bytes(packet); });
  flood("token", spoofer, arguments.seconds, open);
  opens.spoil_tokens();
  flood("mac", spoofer, arguments.seconds, open);
  opens.forget_cookies();
  flood("spoofed", spoofer, arguments.seconds, open);
  std::puts("end");
}

}  // namespace bench
