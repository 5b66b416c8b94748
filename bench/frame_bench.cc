// The codec alone, without sealing and without queues: headers, messages and acknowledgements.
#include "wire/frame.h"

#include <array>

#include <benchmark/benchmark.h>

#include <vector>

#include "base/bytes.h"

namespace whimbrel {
namespace {

constexpr std::size_t kPacketBytes = 1440;

void data_header(benchmark::State& state) {
  std::array<std::uint8_t, 64> packet{};
  std::uint64_t number = 1'000'000;
  for (auto _ : state) {
    const std::uint8_t size = packet_number_size(PacketNumber{number}, number - 100);
    write_data_header(packet.data(), false, ReceiverIndex{7}, PacketNumber{number}, size);
    const auto header = read_data_header(packet);
    if (!header) return state.SkipWithError("the header was not read");
    benchmark::DoNotOptimize(
        recover_packet_number(number, header->truncated_number, header->number_size));
    ++number;
  }
}
BENCHMARK(data_header);

// A packet full of messages of 64 bytes; the time is that of one of them.
void read_small_messages(benchmark::State& state) {
  const std::array<std::uint8_t, 64> payload{};
  std::vector<std::uint8_t> packet(kPacketBytes);
  ByteWriter out(packet);
  while (out.remaining() >= payload.size() + 12) {
    out.u8(static_cast<std::uint8_t>(FrameType::kMessage));
    out.varint(zigzag(3));
    out.varint(1000);
    out.varint(payload.size());
    out.bytes(payload);
  }
  packet.resize(out.size());
  std::int64_t messages = 0;
  for (auto _ : state) {
    for (ByteReader in(packet); !in.empty(); ++messages) {
      MessageFrame frame;
      const auto type = static_cast<FrameType>(in.u8());
      if (!read_message(in, type, frame)) return state.SkipWithError("a frame was not read");
      benchmark::DoNotOptimize(frame);
    }
  }
  state.SetItemsProcessed(messages);
}
BENCHMARK(read_small_messages);

AckFrame ack_of(std::int64_t ranges) {
  AckFrame ack;
  ack.delay_us = 1000;
  ack.count = static_cast<std::uint32_t>(ranges);
  for (std::uint64_t i = 0, end = 1'000'000; i < ack.count; ++i, end -= 10)
    ack.ranges[i] = {end - 8, end};
  return ack;
}

void write_acknowledgement(benchmark::State& state) {
  const AckFrame ack = ack_of(state.range(0));
  std::array<std::uint8_t, kPacketBytes> packet{};
  for (auto _ : state) {
    ByteWriter out(packet);
    benchmark::DoNotOptimize(write_ack(out, ack));
  }
}
BENCHMARK(write_acknowledgement)->Arg(1)->Arg(4)->Arg(kAckRangesMax);

void read_acknowledgement(benchmark::State& state) {
  std::array<std::uint8_t, kPacketBytes> packet{};
  ByteWriter out(packet);
  write_ack(out, ack_of(state.range(0)));
  AckFrame ack;
  for (auto _ : state) {
    ByteReader in({packet.data() + 1, out.size() - 1});
    if (!read_ack(in, ack)) return state.SkipWithError("the frame was not read");
  }
}
BENCHMARK(read_acknowledgement)->Arg(1)->Arg(4)->Arg(kAckRangesMax);

}  // namespace
}  // namespace whimbrel
