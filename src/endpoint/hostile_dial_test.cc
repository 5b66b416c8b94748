// A peer whom we dial, and who follows the protocol only as far as it serves it.
#include "crypto/aead.h"
#include "endpoint/endpoint_pair.h"
#include "handshake/handshake.h"
#include "handshake/init_screener.h"
#include "message/channels.h"
#include "wire/frame.h"

namespace whimbrel {
namespace {

class HostileDial : public EndpointPair {
 protected:
  // Mallory is told what an honest peer would be told.
  HostileDial() {
    for (std::uint64_t seed = 1;; ++seed) {
      FastRandom keys(seed);
      config.static_key = generate_x25519(keys);
      if (yields(a.endpoint->public_key(), config.static_key.public_key)) break;
    }
    config.identity = mallory.text();
    const InitialCredit credit = Channels(MessageLimits()).initial_credit();
    config.parameters.session_bytes_max = credit.session_bytes;
    config.parameters.session_messages_max = credit.session_messages;
    config.parameters.channel_bytes_max = credit.channel_bytes;
    config.parameters.channel_messages_max = credit.channel_messages;
  }
  // The next packet of ours.
  std::vector<std::uint8_t> take() {
    std::array<std::uint8_t, 65536> buffer;
    const auto out = a.endpoint->poll_transmit(buffer, now);
    EXPECT_TRUE(out);
    return {buffer.begin(), buffer.begin() + static_cast<long>(out ? out->size : 0)};
  }
  // We dial; they answer.
  HandshakeResult handshake() {
    a.endpoint->set_route(mallory, at, std::nullopt);
    EXPECT_EQ(send(a, mallory, "hello"), Result::kOk);
    const std::vector<std::uint8_t> init = take();
    InitScreener screener(config, random);
    const auto screened = screener.check(init, {}, false, now);
    EXPECT_EQ(screened.verdict, InitScreener::Verdict::kPass);
    Responder responder(config);
    EXPECT_EQ(responder.read_init(screened.init, kUnixStart), HandshakeError::kNone);
    std::vector<std::uint8_t> response(kHandshakePacketSizeMax);
    response.resize(responder.write_response(77, kUnixStart, random, response));
    a.endpoint->receive(at, response, now);
    const std::vector<std::uint8_t> finish = take();
    EXPECT_EQ(responder.read_finish(finish, kUnixStart), HandshakeError::kNone);
    return responder.result();
  }
  // A message; then one of 100000 bytes begins, and more islands of it come than are kept.
  static std::vector<std::uint8_t> message_and_islands() {
    std::vector<std::uint8_t> frames(16384);
    ByteWriter out(frames);
    out.u8(static_cast<std::uint8_t>(FrameType::kMessage));
    out.varint(0);
    out.varint(0);
    out.varint(2);
    out.bytes(as_bytes("hi"));
    out.u8(static_cast<std::uint8_t>(FrameType::kStream));
    out.varint(0);
    out.varint(0);
    out.varint(varint_size(100000));
    out.varint(100000);
    for (std::uint64_t i = 0; i < 1100; ++i) {
      out.u8(static_cast<std::uint8_t>(FrameType::kStream));
      out.varint(0);
      out.varint(10 + 2 * i);
      out.varint(1);
      out.u8(9);
    }
    frames.resize(out.size());
    return frames;
  }
  static std::vector<std::uint8_t> sealed(const HandshakeResult& result,
                                          const std::vector<std::uint8_t>& frames) {
    std::vector<std::uint8_t> packet(kDataHeaderSizeMax + frames.size() + kTagSize);
    const std::size_t head =
        write_data_header(packet.data(), false, result.peer.receiver_index, PacketNumber{0}, 4);
    std::copy(frames.begin(), frames.end(), packet.begin() + static_cast<long>(head));
    AeadKey(result.suite, result.send_key)
        .seal(0, 0, Bytes(packet).first(head), packet.data() + head, frames.size());
    packet.resize(head + frames.size() + kTagSize);
    return packet;
  }

  const Identity mallory = *Identity::parse("str:mallory");
  const IpAddress at = IpAddress::v4(10, 0, 0, 66, 1000);
  HandshakeConfig config;
  FastRandom random{1};
};

// The frame that is refused leaves the session unconfirmed, though the message was delivered. Then
// Mallory opens from their side, and we read the message.
TEST_F(HostileDial, AMessageOfARefusedFirstPacketDoesNotOutliveItsSession) {
  std::vector<std::uint8_t> packet = sealed(handshake(), message_and_islands());
  a.endpoint->receive(at, packet, now);
  std::vector<DeliveredMessage> messages;
  a.endpoint->take_messages(messages);
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(state(a, mallory), ConnectionState::kConnected);

  Initiator initiator(config, a.endpoint->public_key());
  std::vector<std::uint8_t> again(kHandshakePacketSizeMax);
  again.resize(initiator.write_init(78, kUnixStart + 5, random, again));
  a.endpoint->receive(at, again, now);
  const auto& m = messages[0];
  a.endpoint->consumed(m.session, m.message.place, m.message.reliable, m.message.payload.size(), 1,
                       now);
}

}  // namespace
}  // namespace whimbrel
