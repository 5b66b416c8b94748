// Everything that a stranger can put before an endpoint: handshake packets, payloads, certificates,
// identities.
#include <whimbrel/identity.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "endpoint/endpoint.h"
#include "handshake/certificate.h"
#include "handshake/packets.h"
#include "handshake/payload.h"

namespace {

whimbrel::EndpointConfig endpoint_config(const whimbrel::KeyPair& keys) {
  whimbrel::EndpointConfig config;
  config.identity = *whimbrel::Identity::parse("str:fuzzed");
  config.keys = keys;
  return config;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace whimbrel;
  const Bytes input{data, size};
  (void)decode_certificate(input);
  (void)decode_payload(input);
  (void)read_init(input);
  (void)read_response(input);
  (void)read_cookie_reply(input);
  (void)read_version_reply(input);
  if (const auto identity = Identity::parse(as_text(input))) {
    ASSERT(Identity::parse(identity->text()) == identity);
  }

  static FastRandom random(1);
  static const KeyPair keys = generate_x25519(random);
  const WallClock clock(Instant(), 1'800'000'000'000);
  Endpoint endpoint(endpoint_config(keys), random, Instant(), clock);
  const IpAddress from = IpAddress::v4(192, 0, 2, 1, 9);
  // One that dials, too, so that answers have somebody to go to.
  endpoint.set_route(*Identity::parse("str:peer"), from, std::nullopt);
  endpoint.send(*Identity::parse("str:peer"), SharedBytes::copy(input.first(size % 9)),
                kSendReliable, 0, Instant());
  std::vector<std::uint8_t> copy(input.begin(), input.end());
  std::vector<std::uint8_t> buffer(65536);
  for (int i = 0; i < 2; ++i) {
    endpoint.receive(from, copy, Instant() + milliseconds(i));
    std::size_t sent = 0;
    while (const auto out = endpoint.poll_transmit(buffer, Instant() + milliseconds(i))) {
      if (i > 0) sent += out->size;
    }
    // RFC 9000 8.1, and stricter: no answer is larger than what it answers.
    ASSERT(sent <= size || i == 0);
  }
  return 0;
}
