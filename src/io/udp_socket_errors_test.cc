// What a socket makes of the kernel's answers: with a kernel that fails when the test says so.
#include <gtest/gtest.h>

#include <vector>

#include "io/test_kernel.h"
#include "io/udp_socket.h"

namespace whimbrel {
namespace {

// With segmentation offload, and without.
class UdpSocketErrors : public ::testing::TestWithParam<bool> {
 protected:
  static constexpr std::size_t kSize = 100;

  UdpSocketErrors() {
    kernel_.offload = GetParam();
    auto bound = UdpSocket::bind(*IpAddress::parse("127.0.0.1:0"), {});
    if (bound) socket_ = std::move(*bound);
  }
  std::size_t send(Bytes batch) { return socket_->send(to_, batch, kSize); }

  TestThreads threads_{1};
  TestKernel kernel_{threads_};
  std::unique_ptr<UdpSocket> socket_;
  const IpAddress to_ = IpAddress::v4(127, 0, 0, 1, 9);
  const std::vector<std::uint8_t> batch_ = std::vector<std::uint8_t>(10 * kSize);
};

TEST_P(UdpSocketErrors, AFullBufferTakesTheRestLater) {
  ASSERT_NE(socket_, nullptr);
  std::size_t passed = 0;
  const std::size_t room = GetParam() ? 0 : 4;
  kernel_.on_send = [&](const TestKernel::Outgoing&) {
    return passed == room ? EAGAIN : (++passed, 0);
  };
  const std::size_t sent = send(batch_);
  EXPECT_EQ(sent, room * kSize);
  EXPECT_EQ(socket_->stats().blocked, 1u);
  EXPECT_EQ(send(Bytes(batch_).subspan(sent)), 0u) << "it is full still";
  kernel_.on_send = nullptr;
  kernel_.set_full(socket_->descriptor(), false);
  EXPECT_EQ(send(Bytes(batch_).subspan(sent)), batch_.size() - sent);
  EXPECT_EQ(socket_->stats().send_failed, 0u);
}

TEST_P(UdpSocketErrors, AnInterruptedCallIsRepeated) {
  ASSERT_NE(socket_, nullptr);
  bool interrupted = false;
  kernel_.on_send = [&](const TestKernel::Outgoing&) {
    return std::exchange(interrupted, true) ? 0 : EINTR;
  };
  EXPECT_EQ(send(batch_), batch_.size());
  EXPECT_TRUE(interrupted);
  EXPECT_EQ(socket_->stats().send_failed, 0u);
  EXPECT_EQ(socket_->stats().blocked, 0u);
}

INSTANTIATE_TEST_SUITE_P(Offload, UdpSocketErrors, ::testing::Bool());

}  // namespace
}  // namespace whimbrel
