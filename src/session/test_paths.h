// For tests of a session over relays: its peer, made by hand, on each path.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <vector>

#include "session/test_peer.h"

namespace whimbrel {

inline constexpr RelayRemote kFra{1, 11}, kAms{2, 22}, kLon{3, 33};

// Reads what the session says, by path.
class PathsTest : public SessionPeer {
 protected:
  struct Said {
    Remote to;
    PathId path{};
    std::vector<FrameType> types;
    std::optional<PathIndexFrame> index;
    std::optional<PathStatusFrame> status;
    std::optional<PathAbandonFrame> abandon;
    std::optional<PathId> path_ack;
    std::optional<PathData> challenge;
    std::optional<AckFrame> ack;
    bool has(FrameType type) const {
      return std::find(types.begin(), types.end(), type) != types.end();
    }
  };

  void begin_over_relay(bool leads) {
    Establishment with;
    with.keys = PacketKeys(AeadSuite::kAesGcm, session_secret(), session_secret(),
                           packet_key_limits(AeadSuite::kAesGcm));
    with.local_index = 1;
    with.remote_index = 2;
    with.remote = SignalRemote{1};
    with.peer = {{1 << 20, 1000, 1 << 20, 1000}, milliseconds(25), 1472};
    with.leads = leads;
    session =
        std::make_unique<Session>(SessionOptions{}, std::move(with), random, counters, slabs, now);
    source = kFra;
  }
  void carriers(const std::vector<RelayCarrier>& all) {
    session->set_carriers(all, now);
    run();
  }
  static RelayCarrier up(RelayRemote remote, int ms = 20) {
    return {remote, CarrierState::kUp, milliseconds(ms)};
  }
  static RelayCarrier is(RelayRemote remote, CarrierState state, int ms = 20) {
    return {remote, state, milliseconds(ms)};
  }
  // What the session has to do and to say at this moment; an index that it wants is given.
  void run() {
    session->advance(now);
    drain();
    expect_no_timer_stays_due();
  }
  void drain() override {
    for (bool more = true; more;) {
      more = false;
      while (session->wants_index()) {
        session->give_index(++last_index);
        more = true;
      }
      while (const auto out = session->poll_transmit(buffer, now)) read(*out);
    }
  }
  void run_for(Duration time) {
    for (const Instant end = now + time; now < end;) {
      now = std::min(end, std::max(now + microseconds(10), session->next_deadline()));
      run();
    }
  }
  void read(const RemoteTransmit& out) {
    for (std::size_t at = 0; at < out.size; at += out.segment_size) {
      const MutableBytes datagram =
          MutableBytes(buffer).subspan(at, std::min(out.segment_size, out.size - at));
      const auto header = read_data_header(datagram);
      ASSERT_TRUE(header);
      Said one;
      one.to = out.to;
      one.path = path_of.at(header->receiver_index);
      const Bytes head = datagram.first(header->size());
      const MutableBytes sealed = datagram.subspan(header->size());
      std::uint64_t& next = numbers[value(one.path)];
      const std::uint64_t with =
          value(recover_packet_number(next, header->truncated_number, header->number_size));
      ASSERT_TRUE(key.open(value(one.path), with, head, sealed));
      ByteReader in(Bytes(sealed).first(sealed.size() - kTagSize));
      while (!in.empty()) ASSERT_TRUE(read_one(in, one));
      next = with + 1;
      said.push_back(one);
    }
  }
  static bool read_one(ByteReader& in, Said& one) {
    const auto type = static_cast<FrameType>(in.u8());
    one.types.push_back(type);
    AckFrame ack;
    StreamFrame stream;
    CloseFrame close;
    switch (type) {
      case FrameType::kClose:
        return read_close(in, close);
      case FrameType::kPathIndex:
        return read_path_index(in, one.index.emplace());
      case FrameType::kPathStatus:
        return read_path_status(in, one.status.emplace());
      case FrameType::kPathAbandon:
        return read_path_abandon(in, one.abandon.emplace());
      case FrameType::kPathAck:
        return read_path_ack(in, one.path_ack.emplace(), ack);
      case FrameType::kPathChallenge:
      case FrameType::kPathResponse:
        return read_path_data(in, one.challenge.emplace());
      case FrameType::kAck:
        return read_ack(in, one.ack.emplace());
      case FrameType::kStream:
      case FrameType::kStreamToEnd:
        return read_stream(in, type, stream);
      case FrameType::kQuality:
        in.u8();
        return in.ok();
      default:
        return type == FrameType::kPing || type == FrameType::kPadding ||
               type == FrameType::kHandshakeDone;
    }
  }
  // The peer says something on a path, from one of its slots.
  void say_on(std::uint32_t path, ReceiverIndex index, const Remote& where, Bytes frames) {
    std::vector<std::uint8_t> packet(kDataHeaderSizeMax + frames.size() + kTagSize);
    const std::uint64_t with = said_numbers[path]++;
    const std::size_t head = write_data_header(packet.data(), false, index, PacketNumber{with}, 4);
    std::copy(frames.begin(), frames.end(), packet.begin() + static_cast<std::ptrdiff_t>(head));
    key.seal(path, with, Bytes(packet).first(head), packet.data() + head, frames.size());
    session->receive(where, *read_data_header(packet), packet, now, received);
    run();
  }
  void say_first(Bytes frames) { say_on(0, 1, source, frames); }
  template <typename Write>
  void say_frame(Write write) {
    std::array<std::uint8_t, 64> frame;
    ByteWriter out(frame);
    write(out);
    say_first(Bytes(frame).first(out.size()));
  }
  void ping() {
    say_frame([](ByteWriter& out) { out.u8(1); });
  }
  // Acknowledges all that has come on a path, on that path.
  void acknowledge_on(std::uint32_t path, ReceiverIndex index, const Remote& where) {
    if (numbers[path] == 0) return;
    AckFrame ack;
    ack.count = 1;
    ack.ranges[0] = {0, numbers[path]};
    std::array<std::uint8_t, 64> frame;
    ByteWriter out(frame);
    write_ack(out, ack);
    say_on(path, index, where, Bytes(frame).first(out.size()));
  }
  // The first of what was said since the last clear() that has this frame.
  const Said* find(FrameType type) const {
    const auto at =
        std::find_if(said.begin(), said.end(), [&](const Said& one) { return one.has(type); });
    return at == said.end() ? nullptr : &*at;
  }
  // A session that leads, with two relays, and the second path open.
  void open_second() {
    begin_over_relay(true);
    carriers({up(kFra), up(kAms, 40)});
    ping();
    const Said* opening = find(FrameType::kPathIndex);
    ASSERT_NE(opening, nullptr);
    path_of[200] = PathId{1};
    say_frame([](ByteWriter& out) { write_path_index(out, {PathId{1}, 200}); });
    const Said* challenge = find(FrameType::kPathChallenge);
    ASSERT_NE(challenge, nullptr);
    std::array<std::uint8_t, 16> frame;
    ByteWriter out(frame);
    write_path_data(out, FrameType::kPathResponse, *challenge->challenge);
    say_on(1, last_index, kAms, Bytes(frame).first(out.size()));
    acknowledge_on(0, 1, kFra);
    said.clear();
  }
  const PathEntry& entry(std::uint32_t id) {
    const PathEntry* found = nullptr;
    session->paths().for_each([&](const PathEntry& one) {
      if (one.id() == PathId{id}) found = &one;
    });
    return *found;
  }
  bool exists(std::uint32_t id) {
    bool found = false;
    session->paths().for_each([&](const PathEntry& one) { found |= one.id() == PathId{id}; });
    return found;
  }
  bool ended_badly() const {
    return session->end() && session->end()->kind == SessionEnd::Kind::kLocalProblem;
  }

  std::map<ReceiverIndex, PathId> path_of{{2, PathId{0}}};
  std::map<std::uint32_t, std::uint64_t> numbers, said_numbers;
  std::vector<Said> said;
  ReceiverIndex last_index = 100;
  Remote source = kFra;
};

}  // namespace whimbrel
