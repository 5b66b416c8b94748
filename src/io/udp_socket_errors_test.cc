// What a socket does when the kernel says no, against a kernel of the test's.
#include <gtest/gtest.h>

#include "io/test_kernel.h"
#include "io/udp_socket.h"

namespace whimbrel {
namespace {

class UdpSocketErrors : public testing::Test {
 protected:
  void open(bool offload) {
    kernel.offload = offload;
    out = std::move(*UdpSocket::bind(IpAddress::v4(127, 0, 0, 1, 0), {}));
    in = std::move(*UdpSocket::bind(IpAddress::v4(127, 0, 0, 1, 0), {}));
  }
  // Of each send so far, in turn; 0 from then on.
  void fail_with(std::vector<int> errors) {
    kernel.on_send = [this, errors, at = std::size_t{0}](const TestKernel::Outgoing& one) mutable {
      sent.push_back(one);
      return at < errors.size() ? errors[at++] : 0;
    };
  }
  std::size_t send(std::size_t size, std::size_t segment = 1000) {
    return out->send(in->local_address(), Bytes(bytes).first(size), segment);
  }
  std::size_t arrived() { return arrived(*in); }
  std::size_t arrived(UdpSocket& at) {
    threads.sleep(milliseconds(1));
    std::size_t count = 0;
    for (auto got = at.receive(); !got.empty(); got = at.receive()) count += got.size();
    return count;
  }

  // Batches of `size` bytes each, to sockets of their own.
  std::vector<UdpSocket::Outgoing> batches(std::size_t count, std::size_t size) {
    std::vector<UdpSocket::Outgoing> all;
    for (std::size_t i = 0; i < count; ++i) {
      ins.push_back(std::move(*UdpSocket::bind(IpAddress::v4(127, 0, 0, 1, 0), {})));
      all.push_back({ins.back()->local_address(), Bytes(bytes).first(size), 1000});
    }
    return all;
  }
  // Datagrams that have come to each of them since the last call.
  std::vector<std::size_t> arrived_at_each() {
    std::vector<std::size_t> counts;
    for (const auto& socket : ins) {
      counts.push_back(arrived(*socket));
    }
    return counts;
  }
  using Counts = std::vector<std::size_t>;

  TestThreads threads{1};
  TestKernel kernel{threads};
  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(200'000, 1);
  std::unique_ptr<UdpSocket> out, in;
  std::vector<std::unique_ptr<UdpSocket>> ins;
  std::vector<TestKernel::Outgoing> sent;
};

TEST_F(UdpSocketErrors, AFullSocketTakesNothing) {
  for (const bool offload : {true, false}) {
    open(offload);
    fail_with({EAGAIN});
    EXPECT_EQ(send(3000), 0u);
    EXPECT_EQ(out->stats().blocked, 1u);
    EXPECT_EQ(out->stats().send_failed, 0u);
    kernel.set_full(out->descriptor(), false);
    EXPECT_EQ(send(3000), 3000u);
    EXPECT_EQ(arrived(), 3u);
  }
}

TEST_F(UdpSocketErrors, WhatAFullSocketHasTakenIsSaid) {
  open(true);
  fail_with({0, EAGAIN});
  const std::size_t done = send(150'000);
  EXPECT_EQ(done, sent.at(0).size);
  EXPECT_EQ(done % 1000, 0u);
  EXPECT_EQ(arrived(), done / 1000);
  open(false);
  fail_with({0, 0, 0, EAGAIN});
  EXPECT_EQ(send(10'000), 3000u);
  EXPECT_EQ(arrived(), 3u);
}

TEST_F(UdpSocketErrors, WhatIsRefusedIsCountedAndPassedOver) {
  for (const int error : {ENOBUFS, EPERM, ECONNREFUSED, EMSGSIZE}) {
    open(true);
    fail_with({error});
    EXPECT_EQ(send(900), 900u);
    EXPECT_EQ(out->stats().send_failed, 1u);
    EXPECT_EQ(out->stats().unreachable, 0u);
    EXPECT_EQ(arrived(), 0u);
    EXPECT_TRUE(out->segmentation_offload());
  }
  for (const int error : {ENETUNREACH, EHOSTUNREACH}) {
    open(true);
    fail_with({error});
    EXPECT_EQ(send(900), 900u);
    EXPECT_EQ(out->stats().unreachable, 1u);
  }
}

TEST_F(UdpSocketErrors, OneOfManyThatIsRefusedDoesNotStopTheOthers) {
  open(false);
  // Each once as the end of a call that sent something, and once as the failure of the next one.
  fail_with({0, ENOBUFS, ENOBUFS, 0, ENOBUFS, ENOBUFS});
  EXPECT_EQ(send(6000), 6000u);
  EXPECT_EQ(out->stats().send_failed, 2u);
  EXPECT_EQ(arrived(), 4u);
}

TEST_F(UdpSocketErrors, ASignalIsNoError) {
  for (const bool offload : {true, false}) {
    open(offload);
    fail_with({EINTR, EINTR});
    EXPECT_EQ(send(2000), 2000u);
    EXPECT_EQ(out->stats().send_failed, 0u);
    EXPECT_EQ(arrived(), 2u);
  }
}

// No checksum offload on the device (EIO), or segments over its MTU: datagrams go one by one from
// then on.
TEST_F(UdpSocketErrors, WhereJoinedOnesAreRefusedTheyGoOneByOne) {
  for (const int error : {EIO, EINVAL, EMSGSIZE}) {
    open(true);
    fail_with({error});
    EXPECT_EQ(send(4000), 4000u);
    EXPECT_FALSE(out->segmentation_offload());
    EXPECT_EQ(out->stats().send_failed, 0u);
    EXPECT_EQ(arrived(), 4u);
    EXPECT_EQ(send(2000), 2000u);
    EXPECT_EQ(arrived(), 2u);
  }
}

TEST_F(UdpSocketErrors, AnIcmpErrorIsReadAndForgotten) {
  open(true);
  const IpAddress nobody = IpAddress::v4(127, 0, 0, 1, 9);
  EXPECT_EQ(out->send(nobody, Bytes(bytes).first(10), 10), 10u);
  EXPECT_TRUE(kernel.readable(out->descriptor()));
  EXPECT_TRUE(out->receive().empty());
  EXPECT_FALSE(kernel.readable(out->descriptor()));
}

// --- batches to many -----------------------------------------------------------------------------

TEST_F(UdpSocketErrors, OfManyTheRestIsLeftWhereTheSocketIsFull) {
  for (const bool offload : {true, false}) {
    ins.clear();
    open(offload);
    auto all = batches(6, 900);
    fail_with({0, 0, EAGAIN});
    const auto rest = out->send_many(all);
    ASSERT_EQ(rest.size(), 4u);
    EXPECT_EQ(rest.front().to, all[2].to);
    EXPECT_EQ(arrived_at_each(), (Counts{1, 1, 0, 0, 0, 0}));
    EXPECT_EQ(out->send_many(rest).size(), 4u) << "it is still full";
    kernel.set_full(out->descriptor(), false);
    EXPECT_TRUE(out->send_many(rest).empty());
    EXPECT_EQ(arrived_at_each(), (Counts{0, 0, 1, 1, 1, 1}));
    EXPECT_EQ(out->stats().send_failed, 0u);
    EXPECT_EQ(out->stats().blocked, 2u);
  }
}

// Without segmentation offload a batch leaves datagram by datagram, and the socket may be full in
// the midst of it.
TEST_F(UdpSocketErrors, OfABatchAmongManyTheRestIsLeft) {
  open(false);
  auto all = batches(3, 2500);
  fail_with({0, 0, 0, 0, 0, EAGAIN});
  const auto rest = out->send_many(all);
  ASSERT_EQ(rest.size(), 2u);
  EXPECT_EQ(rest.front().bytes.size(), 500u);
  kernel.set_full(out->descriptor(), false);
  EXPECT_TRUE(out->send_many(rest).empty());
  EXPECT_EQ(arrived_at_each(), (Counts{3, 3, 3}));
}

TEST_F(UdpSocketErrors, OneOfManyAddressesThatIsRefusedStopsNoOther) {
  for (const int error : {ENOBUFS, EPERM, EMSGSIZE, ECONNREFUSED, ENETUNREACH, EHOSTUNREACH}) {
    for (const bool offload : {true, false}) {
      ins.clear();
      open(offload);
      auto all = batches(5, 900);
      const std::uint16_t refused = all[2].to.port;
      kernel.on_send = [&](const TestKernel::Outgoing& one) {
        return one.to == refused ? error : 0;
      };
      EXPECT_TRUE(out->send_many(all).empty());
      EXPECT_EQ(arrived_at_each(), (Counts{1, 1, 0, 1, 1})) << error;
      EXPECT_EQ(out->stats().send_failed, 1u);
      const bool no_way = error == ENETUNREACH || error == EHOSTUNREACH;
      for (const auto& one : all) {
        EXPECT_EQ(one.unreachable, no_way && one.to.port == refused) << error << one.to.text();
      }
      EXPECT_EQ(out->segmentation_offload(), offload);
    }
  }
}

TEST_F(UdpSocketErrors, ASignalAmongManyIsNoError) {
  open(true);
  auto all = batches(4, 2000);
  fail_with({EINTR, 0, EINTR, EINTR});
  EXPECT_TRUE(out->send_many(all).empty());
  EXPECT_EQ(arrived_at_each(), (Counts{2, 2, 2, 2}));
  EXPECT_EQ(out->stats().send_failed, 0u);
}

TEST_F(UdpSocketErrors, WhatIsForwardedIsLostAndCountedWhereTheSocketIsFull) {
  open(true);
  auto all = batches(4, 900);
  fail_with({0, EAGAIN});
  out->send_or_lose(all);
  EXPECT_EQ(arrived_at_each(), (Counts{1, 0, 0, 0}));
  EXPECT_EQ(out->stats().send_failed, 3u);
}

TEST_F(UdpSocketErrors, NoWayIsToldApartWithoutOffloadToo) {
  open(false);
  fail_with({ENETUNREACH});
  EXPECT_EQ(send(900), 900u);
  EXPECT_EQ(out->stats().unreachable, 1u);
}

}  // namespace
}  // namespace whimbrel
