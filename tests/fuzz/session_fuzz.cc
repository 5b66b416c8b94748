// A peer that has the keys and is hostile: frames of its choice, properly sealed. The input is cut
// into packets by length bytes; the session may close, but must not break, and holds no more than
// its limits.
#include <whimbrel/send_flags.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "session/session.h"

namespace {

constexpr std::uint8_t kKey = 7;

whimbrel::Secret key(std::uint8_t fill) {
  std::array<std::uint8_t, 32> bytes;
  bytes.fill(fill);
  return whimbrel::Secret(bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace whimbrel;
  FastRandom random(1);
  Counters counters;
  Establishment with;
  with.keys = PacketKeys(AeadSuite::kChaChaPoly, key(kKey), key(kKey));
  with.local_index = 1;
  with.remote_index = 2;
  with.remote = IpAddress::v4(192, 0, 2, 1, 9);
  with.peer = {{1 << 20, 1000, 1 << 20, 1000}, milliseconds(25), 1472};
  with.address_proof = AddressProof::kGiven;
  SessionOptions options;
  Instant now{};
  SlabAllocator slabs;
  Session session(options, std::move(with), random, counters, slabs, now);
  AeadKey peer_key(AeadSuite::kChaChaPoly, key(kKey));
  session.send(0, SharedBytes::copy({data, std::min<std::size_t>(size, 2000)}), kSendReliable, now);

  std::vector<ReceivedMessage> received;
  std::vector<std::uint8_t> buffer(65536);
  std::uint64_t number = 0;
  std::uint64_t held = 0;
  ByteReader in({data, size});
  while (!in.empty()) {
    const std::size_t length = std::min<std::size_t>(in.u8() + 1u, in.remaining());
    const Bytes frames = in.bytes(length);
    if (frames.empty()) break;
    std::vector<std::uint8_t> packet(kDataHeaderSizeMax + frames.size() + kTagSize);
    const std::size_t head = write_data_header(packet.data(), false, 1, PacketNumber{number}, 4);
    std::copy(frames.begin(), frames.end(), packet.begin() + static_cast<std::ptrdiff_t>(head));
    peer_key.seal(0, number, Bytes(packet).first(head), packet.data() + head, frames.size());
    ++number;
    now += milliseconds(1);
    session.receive(IpAddress::v4(192, 0, 2, 1, static_cast<std::uint16_t>(9 + number % 2)),
                    *read_data_header(packet), packet, now, received);
    for (const auto& message : received) held += message.payload.size();
    ASSERT(held <= options.receive_bytes_max);
    received.clear();
    session.advance(now);
    while (session.poll_transmit(buffer, now)) {
    }
  }
  return 0;
}
