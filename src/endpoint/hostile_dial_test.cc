// A peer whom we dial, and who follows the protocol only as far as it serves it.
#include "crypto/aead.h"
#include "endpoint/endpoint_pair.h"
#include "handshake/handshake.h"
#include "handshake/init_screener.h"
#include "message/channels.h"
#include "wire/frame.h"

namespace whimbrel {
namespace {

// We have dialled a hostile peer without its key. Its first packet brings a message, and then a
// frame that is refused: the session stays unconfirmed, though the message was delivered. Then it
// opens from its side, and we read the message.
TEST_F(EndpointPair, AMessageOfARefusedFirstPacketDoesNotOutliveItsSession) {
  HandshakeConfig config;
  FastRandom random(1);
  for (std::uint64_t seed = 1;; ++seed) {
    FastRandom keys(seed);
    config.static_key = generate_x25519(keys);
    if (yields(a.endpoint->public_key(), config.static_key.public_key)) break;
  }
  config.identity = "str:mallory";
  const InitialCredit credit = Channels(MessageLimits()).initial_credit();
  config.parameters.session_bytes_max = credit.session_bytes;
  config.parameters.session_messages_max = credit.session_messages;
  config.parameters.channel_bytes_max = credit.channel_bytes;
  config.parameters.channel_messages_max = credit.channel_messages;
  const IpAddress at = IpAddress::v4(10, 0, 0, 66, 1000);
  const Identity mallory = *Identity::parse("str:mallory");
  a.endpoint->set_route(mallory, at, std::nullopt);
  ASSERT_EQ(send(a, mallory, "hello"), Result::kOk);

  std::array<std::uint8_t, 65536> buffer;
  const auto take = [&] {
    const auto out = a.endpoint->poll_transmit(buffer, now);
    EXPECT_TRUE(out);
    return std::vector<std::uint8_t>(buffer.begin(),
                                     buffer.begin() + static_cast<long>(out ? out->size : 0));
  };
  const std::vector<std::uint8_t> init = take();
  InitScreener screener(config, random);
  const auto screened = screener.check(init, {}, false, now);
  ASSERT_EQ(screened.verdict, InitScreener::Verdict::kPass);
  Responder responder(config);
  ASSERT_EQ(responder.read_init(screened.init, kUnixStart), HandshakeError::kNone);
  std::vector<std::uint8_t> response(kHandshakePacketSizeMax);
  response.resize(responder.write_response(77, kUnixStart, random, response));
  a.endpoint->receive(at, response, now);
  const std::vector<std::uint8_t> finish = take();
  ASSERT_EQ(responder.read_finish(finish, kUnixStart), HandshakeError::kNone);
  const HandshakeResult result = responder.result();

  std::vector<std::uint8_t> frames(16384);
  ByteWriter out(frames);
  out.u8(static_cast<std::uint8_t>(FrameType::kMessage));
  out.varint(0);
  out.varint(0);
  out.varint(2);
  out.bytes(as_bytes("hi"));
  // A message of 100000 bytes begins, and more islands of it come than are kept.
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
  std::vector<std::uint8_t> packet(kDataHeaderSizeMax + out.size() + kTagSize);
  const std::size_t head =
      write_data_header(packet.data(), false, result.peer.receiver_index, PacketNumber{0}, 4);
  std::copy_n(frames.begin(), out.size(), packet.begin() + static_cast<long>(head));
  AeadKey(result.suite, result.send_key)
      .seal(0, 0, Bytes(packet).first(head), packet.data() + head, out.size());
  packet.resize(head + out.size() + kTagSize);
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
