// Messages of the rendezvous, to either end, and a backend's tokens: what can be read can be
// written again, and no input gets a server or a client into a state that it cannot leave.
#include <cstddef>
#include <cstdint>

#include "rendezvous/backend_token.h"
#include "rendezvous/client.h"
#include "rendezvous/rendezvous_server.h"

namespace whimbrel::rendezvous {
namespace {

template <typename Message>
void write_again(const std::optional<Message>& message, Bytes bytes) {
  // Sizes may come in more bytes than they need, so that what is written may be shorter.
  if (message) ASSERT(encode(*message).size() <= bytes.size());
}

void decode_all(Bytes bytes) {
  write_again(decode_client_message(bytes), bytes);
  write_again(decode_server_message(bytes), bytes);
  write_again(decode_lobby_request(bytes), bytes);
  write_again(decode_lobby_notice(bytes), bytes);
}

void check_token(Bytes bytes) {
  const Hs256Key key{std::vector<std::uint8_t>(kHs256KeySizeMin, 7)};
  const auto checked = check_backend_token(key, as_text(bytes), 1'800'000'000);
  if (const auto* claim = std::get_if<BackendClaim>(&checked)) ASSERT(!claim->identity.empty());
}

class World {
 public:
  World() {
    server_.enable_lobbies({}, Secret{}, random_);
    server_.on_connected(ClientId{1}, {}, {}, now_);
    client_.on_connected(now_);
    exchange();
  }

  void give(std::uint8_t choice, Bytes message) {
    if (choice % 2 == 0) {
      server_.on_message(ClientId{1}, message, now_);
    } else {
      client_.on_message(message, now_);
    }
    now_ += milliseconds(choice);
    exchange();
  }

 private:
  void exchange() {
    server_.advance(now_);
    client_.advance(now_);
    while (auto message = client_.poll_output()) server_.on_message(ClientId{1}, *message, now_);
    while (auto output = server_.poll_output()) {
      if (!output->message.empty()) client_.on_message(output->message, now_);
    }
    while (client_.poll_event()) {
    }
    while (client_.lobbies().poll_event()) {
    }
  }

  Instant now_{};
  const WallClock clock_{now_, 1'800'000'000'000};
  FastRandom random_{1};
  MemoryRegistry registry_;
  Authority authority_{{}, SigningKey::from_seed(Secret()), registry_};
  RendezvousServer server_{{}, authority_, nullptr, now_, clock_};
  Client client_{{7, "str:alice", ""}};
};

// | choice u8 | size u8 | message |, again and again.
void run_world(Bytes bytes) {
  World world;
  ByteReader in(bytes);
  while (!in.empty()) {
    const std::uint8_t choice = in.u8();
    const std::size_t size = std::min<std::size_t>(in.u8(), in.remaining());
    if (!in.ok()) break;
    world.give(choice, in.bytes(size));
  }
}

}  // namespace
}  // namespace whimbrel::rendezvous

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace whimbrel::rendezvous;
  decode_all({data, size});
  check_token({data, size});
  run_world({data, size});
  return 0;
}
