#include "io/udp_socket.h"

#include <gmock/gmock.h>
#include <poll.h>

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
