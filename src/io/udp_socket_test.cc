#include "io/udp_socket.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include <numeric>

namespace whimbrel {
namespace {

using testing::HasSubstr;

std::unique_ptr<UdpSocket> bind_loopback(bool offload, bool v4 = true) {
  const IpAddress address = *IpAddress::parse(v4 ? "127.0.0.1:0" : "[::1]:0");
  UdpSocket::Settings settings;
  settings.offload = offload;
  auto bound = UdpSocket::bind(address, settings);
  EXPECT_TRUE(bound.ok()) << bound.error();
  return std::move(*bound);
}

std::vector<std::uint8_t> pattern(std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
  return bytes;
}

// All datagrams that come until `bytes` bytes are there.
std::vector<std::vector<std::uint8_t>> receive_datagrams(UdpSocket& socket, std::size_t bytes) {
  std::vector<std::vector<std::uint8_t>> datagrams;
  std::size_t got = 0;
  while (got < bytes) {
    pollfd waiting{socket.descriptor(), POLLIN, 0};
    if (poll(&waiting, 1, 5000) <= 0) break;
    for (const UdpSocket::Batch& batch : socket.receive()) {
      got += batch.bytes.size();
      for (std::size_t at = 0; at < batch.bytes.size(); at += batch.segment_size) {
        const auto piece =
            batch.bytes.subspan(at, std::min(batch.segment_size, batch.bytes.size() - at));
        datagrams.emplace_back(piece.begin(), piece.end());
      }
    }
  }
  return datagrams;
}

class UdpSocketTest : public testing::TestWithParam<std::tuple<bool, bool>> {};

TEST_P(UdpSocketTest, ABatchArrivesCutAsItWasSent) {
  const auto [offload_out, offload_in] = GetParam();
  auto out = bind_loopback(offload_out);
  auto in = bind_loopback(offload_in);
  const auto batch = pattern(20 * 1200 + 77);
  ASSERT_EQ(out->send(in->local_address(), batch, 1200), batch.size());
  const auto datagrams = receive_datagrams(*in, batch.size());
  ASSERT_EQ(datagrams.size(), 21u);
  std::vector<std::uint8_t> joined;
  for (const auto& datagram : datagrams) {
    EXPECT_TRUE(datagram.size() == 1200 || &datagram == &datagrams.back());
    joined.insert(joined.end(), datagram.begin(), datagram.end());
  }
  EXPECT_EQ(joined, batch);
  EXPECT_EQ(out->stats().send_failed, 0u);
}

TEST_P(UdpSocketTest, BatchesForManyLeaveTogether) {
  const auto [offload_out, offload_in] = GetParam();
  auto out = bind_loopback(offload_out);
  std::vector<std::unique_ptr<UdpSocket>> in;
  std::vector<std::vector<std::uint8_t>> batches;
  std::vector<UdpSocket::Outgoing> all;
  for (std::size_t i = 0; i < 5; ++i) {
    in.push_back(bind_loopback(offload_in));
    batches.push_back(pattern(i % 2 == 0 ? 300 + i : 4 * 1200 + i));
  }
  for (int round = 0; round < 20; ++round) {
    for (std::size_t i = 0; i < in.size(); ++i) {
      all.push_back({in[i]->local_address(), batches[i], 1200});
    }
  }
  EXPECT_TRUE(out->send_many(all).empty());
  for (std::size_t i = 0; i < in.size(); ++i) {
    const auto datagrams = receive_datagrams(*in[i], 20 * batches[i].size());
    EXPECT_EQ(datagrams.size(), 20 * ((batches[i].size() + 1199) / 1200)) << i;
  }
  EXPECT_EQ(out->stats().send_failed, 0u);
  if (out->segmentation_offload()) {
    EXPECT_EQ(out->stats().send_calls, 2u) << "of 64 batches at most";
  }
}

TEST_P(UdpSocketTest, AnAnswerLeavesFromTheAddressThatWasReached) {
  const auto [offload_out, offload_in] = GetParam();
  UdpSocket::Settings settings;
  settings.offload = offload_in;
  settings.answer_from_reached = true;
  const auto server = std::move(*UdpSocket::bind(*IpAddress::parse("0.0.0.0:0"), settings));
  const std::uint16_t port = server->local_address().port;
  const auto batch = pattern(3 * 1200);
  std::vector<std::unique_ptr<UdpSocket>> clients;
  std::vector<IpAddress> reached;
  for (const int host : {1, 5, 6, 1}) {
    clients.push_back(bind_loopback(offload_out));
    reached.push_back(IpAddress::v4(127, 0, 0, static_cast<std::uint8_t>(host), port));
    clients.back()->send(reached.back(), batch, 1200);
    ASSERT_EQ(receive_datagrams(*server, batch.size()).size(), 3u);
  }
  std::vector<UdpSocket::Outgoing> all;
  for (const auto& client : clients) all.push_back({client->local_address(), batch, 1200});
  EXPECT_TRUE(server->send_many(all).empty());
  for (const auto& client : clients) server->send(client->local_address(), batch, 1200);
  for (std::size_t i = 0; i < clients.size(); ++i) {
    for (std::size_t got = 0; got < 2 * batch.size();) {
      pollfd waiting{clients[i]->descriptor(), POLLIN, 0};
      ASSERT_GT(poll(&waiting, 1, 5000), 0);
      for (const UdpSocket::Batch& one : clients[i]->receive()) {
        EXPECT_EQ(one.from, reached[i]);
        got += one.bytes.size();
      }
    }
  }
  EXPECT_EQ(server->stats().send_failed, 0u);
}

INSTANTIATE_TEST_SUITE_P(Offload, UdpSocketTest,
                         testing::Combine(testing::Bool(), testing::Bool()));

TEST(UdpSocket, OneCallSendsAFullBatchWithOffload) {
  auto out = bind_loopback(true);
  if (!out->segmentation_offload()) GTEST_SKIP() << "no UDP_SEGMENT here";
  auto in = bind_loopback(true);
  const auto batch = pattern(44 * 1472);
  EXPECT_EQ(out->send(in->local_address(), batch, 1472), batch.size());
  EXPECT_EQ(out->stats().send_calls, 1u);
  EXPECT_EQ(receive_datagrams(*in, batch.size()).size(), 44u);
}

TEST(UdpSocket, CutsBatchesOfVerySmallDatagrams) {
  auto out = bind_loopback(true);
  auto in = bind_loopback(true);
  const auto batch = pattern(200 * 40);
  EXPECT_EQ(out->send(in->local_address(), batch, 40), batch.size());
  EXPECT_EQ(receive_datagrams(*in, batch.size()).size(), 200u);
}

// What the kernel refuses when it is asked to cut a batch, it takes one by one; afterwards it is
// not asked again.
void expect_fallback(UdpSocket& out, UdpSocket& in, const IpAddress& to) {
  const auto batch = pattern(70 * 1200 + 77);
  EXPECT_EQ(out.send(to, batch, 1200), batch.size());
  EXPECT_FALSE(out.segmentation_offload());
  const auto datagrams = receive_datagrams(in, batch.size());
  ASSERT_EQ(datagrams.size(), 71u);
  std::vector<std::uint8_t> joined;
  for (const auto& datagram : datagrams) {
    joined.insert(joined.end(), datagram.begin(), datagram.end());
  }
  EXPECT_EQ(joined, batch);
  EXPECT_EQ(out.stats().send_failed, 0u);
}

TEST(UdpSocket, FallsBackWhereSegmentsNeedChecksumsThatAreOff) {
  auto out = bind_loopback(true);
  if (!out->segmentation_offload()) GTEST_SKIP() << "no UDP_SEGMENT here";
  auto in = bind_loopback(true);
  // Linux, udp_send_skb(): EINVAL for a socket without checksums.
  const int on = 1;
  ASSERT_EQ(setsockopt(out->descriptor(), SOL_SOCKET, SO_NO_CHECK, &on, sizeof on), 0);
  expect_fallback(*out, *in, in->local_address());
}

// Puts a UDP-Lite socket, bound to loopback, in the place of `socket`'s own; its address.
std::optional<IpAddress> make_lite(UdpSocket& socket) {
  const FileDescriptor lite(
      ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDPLITE));
  if (!lite.valid()) return std::nullopt;
  const SocketAddress any = to_socket_address(IpAddress::v4(127, 0, 0, 1, 0), true);
  sockaddr_storage local{};
  socklen_t size = sizeof local;
  if (bind(lite.get(), reinterpret_cast<const sockaddr*>(&any.storage), any.size) != 0 ||
      getsockname(lite.get(), reinterpret_cast<sockaddr*>(&local), &size) != 0 ||
      dup2(lite.get(), socket.descriptor()) < 0) {
    return std::nullopt;
  }
  return from_socket_address(local);
}

TEST(UdpSocket, FallsBackWhereTheKernelAnswersEio) {
  auto out = bind_loopback(true);
  if (!out->segmentation_offload()) GTEST_SKIP() << "no UDP_SEGMENT here";
  auto in = bind_loopback(false);
  // Linux, udp_send_skb(): EIO for UDP-Lite, as for a device without checksum offload.
  const auto from = make_lite(*out);
  const auto to = make_lite(*in);
  if (!from || !to) GTEST_SKIP() << "no UDP-Lite here";
  expect_fallback(*out, *in, *to);
}

TEST(UdpSocket, ASingleDatagramThatIsRefusedLeavesOffloadOn) {
  auto out = bind_loopback(true);
  if (!out->segmentation_offload()) GTEST_SKIP() << "no UDP_SEGMENT here";
  const auto batch = pattern(3 * 1200);
  // No route to it: every datagram fails alone too, so that it was not the joining.
  EXPECT_EQ(out->send(IpAddress::v4(255, 255, 255, 255, 9), batch, 1200), batch.size());
  EXPECT_TRUE(out->segmentation_offload());
  EXPECT_EQ(out->stats().send_failed, 3u);
}

TEST(UdpSocket, TellsTheSender) {
  for (const bool v4 : {true, false}) {
    if (!UdpSocket::family_available(v4)) continue;
    auto out = bind_loopback(true, v4);
    auto in = bind_loopback(true, v4);
    const auto bytes = pattern(10);
    out->send(in->local_address(), bytes, bytes.size());
    pollfd waiting{in->descriptor(), POLLIN, 0};
    ASSERT_EQ(poll(&waiting, 1, 5000), 1);
    const auto batches = in->receive();
    ASSERT_EQ(batches.size(), 1u);
    EXPECT_EQ(batches[0].from, out->local_address());
    EXPECT_TRUE(in->receive().empty());
  }
}

TEST(UdpSocket, CountsWhatTheKernelRefuses) {
  auto out = bind_loopback(true);
  const auto bytes = pattern(70000);
  // Larger than a UDP datagram can be: refused, not blocked.
  EXPECT_EQ(out->send(IpAddress::v4(127, 0, 0, 1, 9), bytes, bytes.size()), bytes.size());
  EXPECT_GT(out->stats().send_failed, 0u);
  EXPECT_TRUE(out->segmentation_offload() || !bind_loopback(true)->segmentation_offload());
}

TEST(UdpSocket, NobodyListeningIsNoError) {
  auto out = bind_loopback(true);
  const IpAddress nobody = bind_loopback(true)->local_address();
  const auto bytes = pattern(100);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(out->send(nobody, bytes, 100), 100u);
  EXPECT_TRUE(out->receive().empty());
}

TEST(UdpSocket, SaysWhyItCannotBind) {
  auto first = bind_loopback(true);
  const auto second = UdpSocket::bind(first->local_address(), {});
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.error(),
              HasSubstr("127.0.0.1:" + std::to_string(first->local_address().port)));
  EXPECT_THAT(second.error(), HasSubstr("Another program"));
  EXPECT_THAT(UdpSocket::bind(IpAddress::v4(203, 0, 113, 5, 0), {}).error(),
              HasSubstr("No interface"));
}

}  // namespace
}  // namespace whimbrel
