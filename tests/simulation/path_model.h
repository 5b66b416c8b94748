// A small model of the network for tests of the path layer alone: flows of two Paths each, over one
// shared bottleneck and a private way back. No session, no encryption: a packet is its number, its
// size, its frames and its ACK. For whole systems there is sim/.
//
//   PathModel model(seed);
//   model.bottleneck = {...};
//   Flow& flow = model.add_flow(config);
//   model.run_until(at(10));
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <vector>

#include "base/random.h"
#include "base/range_set.h"
#include "path/path.h"

namespace whimbrel::model {

inline Instant at(double seconds_since_start) {
  return Instant(Duration(static_cast<std::int64_t>(seconds_since_start * 1e9)));
}

struct LinkOptions {
  double rate = 0;  // bytes per second, 0: unlimited
  Duration delay{};
  double buffer = 1e18;          // bytes that may wait; what does not fit is dropped
  double loss = 0;               // 0 to 1, each packet by itself
  Duration jitter{};             // each packet is late by up to this; reorders
  std::size_t size_max = 65536;  // larger datagrams vanish
};

class Link {
 public:
  LinkOptions options;
  std::uint64_t dropped_full = 0;
  std::uint64_t dropped_random = 0;

  // When the datagram arrives; nothing if it is lost.
  std::optional<Instant> send(std::size_t bytes, Instant now, Random& random) {
    if (bytes > options.size_max) return std::nullopt;
    if (options.loss > 0 && random.chance(options.loss)) {
      ++dropped_random;
      return std::nullopt;
    }
    Instant leaves = now;
    if (options.rate > 0) {
      const Duration waits = queue_delay(now);
      if (to_seconds(waits) * options.rate + static_cast<double>(bytes) > options.buffer) {
        ++dropped_full;
        return std::nullopt;
      }
      delays_.push_back(waits);
      const double takes = static_cast<double>(bytes) / options.rate * 1e9;
      leaves = free_ = now + waits + Duration(static_cast<std::int64_t>(takes));
    }
    Instant arrives = leaves + options.delay;
    if (options.jitter > Duration::zero()) {
      const auto bound = static_cast<std::uint64_t>(options.jitter.count());
      arrives += Duration(static_cast<std::int64_t>(random.below(bound)));
    }
    return arrives;
  }
  Duration queue_delay(Instant now) const { return free_ > now ? free_ - now : Duration::zero(); }
  // Of the delays that packets met since the last forget_delays(); `share` 0 to 1.
  Duration queue_delay_percentile(double share) {
    if (delays_.empty()) return Duration::zero();
    const auto at = static_cast<std::size_t>(share * static_cast<double>(delays_.size() - 1));
    std::nth_element(delays_.begin(), delays_.begin() + static_cast<std::ptrdiff_t>(at),
                     delays_.end());
    return delays_[at];
  }
  void forget_delays() { delays_.clear(); }

 private:
  Instant free_{};
  std::vector<Duration> delays_;
};

struct Datagram {
  std::uint64_t number = 0;
  std::size_t bytes = 0;
  bool ack_eliciting = false;
  std::vector<Range> ack_ranges;
  std::uint64_t ack_delay_us = 0;
  std::vector<SentFrame> frames;
};

// Bytes of header, frame header and tag in each packet of the model.
inline constexpr std::size_t kOverhead = 40;
inline constexpr std::size_t kAckPacketSize = 60;

struct FlowOptions {
  PathConfig path;
  Duration delay_back{};  // of the way back to the sender
  double loss_back = 0;
  // Acknowledgements are late by up to this: without it, flows of a model march in step.
  Duration jitter_back{};
  Instant start{};
  // Bytes of data the application has produced by then; by default it always has more.
  std::function<std::uint64_t(Instant)> produced = [](Instant) { return std::uint64_t{1} << 60; };
};

// One sender with data, one receiver that only acknowledges.
class Flow final : public FrameSink {
 public:
  Flow(const FlowOptions& flow_options, std::uint32_t id)
      : options(flow_options),
        sender(PathId{id}, flow_options.path, flow_options.start),
        receiver(PathId{id}, flow_options.path, flow_options.start) {
    sender.set_address_validated();
    receiver.set_address_validated();
    back.options.delay = options.delay_back;
    back.options.loss = options.loss_back;
    back.options.jitter = options.jitter_back;
  }

  FlowOptions options;
  Path sender;
  Path receiver;
  Link back;
  std::uint64_t bytes_received = 0;  // of data, each byte once
  std::uint64_t bytes_acked = 0;
  std::uint64_t bytes_resent = 0;
  std::uint64_t acks_sent = 0;

  void on_frame_acked(const SentFrame& frame) override { bytes_acked += frame.length; }
  void on_frame_lost(const SentFrame& frame) override {
    if (frame.type == FrameType::kStream) lost_.push_back(frame);
  }

  bool has_data(Instant now) const {
    return !lost_.empty() || next_offset_ < options.produced(now);
  }

  // The next packet of the sender, if it may and has something to send.
  std::optional<Datagram> transmit(Instant now) {
    if (now < options.start) return std::nullopt;
    const bool probe = sender.probes_owed() > 0;
    if (probe || (has_data(now) && sender.send_allowance(now) > 0)) return build_data(probe, now);
    if (const auto size = sender.mtu_probe_size(now)) {
      Datagram out = next(sender, *size, true);
      sender.on_packet_sent(now, out.bytes, true, PacketPurpose::kMtuProbe, {});
      return out;
    }
    if (sender.ack_due(now)) return build_ack(sender, now);
    sender.set_waiting(has_data(now));
    if (!has_data(now)) sender.on_app_limited();
    return std::nullopt;
  }
  std::optional<Datagram> answer(Instant now) {
    if (!receiver.ack_due(now)) return std::nullopt;
    ++acks_sent;
    return build_ack(receiver, now);
  }

  void deliver(Path& to, const Datagram& datagram, Instant now) {
    if (to.is_duplicate(PacketNumber{datagram.number})) return;
    if (!datagram.ack_ranges.empty()) {
      AckFrame ack;
      ack.count = static_cast<std::uint32_t>(datagram.ack_ranges.size());
      std::copy(datagram.ack_ranges.begin(), datagram.ack_ranges.end(), ack.ranges.begin());
      ack.delay_us = datagram.ack_delay_us;
      ASSERT(to.on_ack_received(ack, now, *this));
    }
    for (const SentFrame& frame : datagram.frames)
      bytes_received += received_.add(frame.offset, frame.offset + frame.length);
    to.on_packet_received(PacketNumber{datagram.number}, datagram.bytes, datagram.ack_eliciting,
                          now);
  }

 private:
  static Datagram next(Path& path, std::size_t bytes, bool ack_eliciting) {
    Datagram out;
    out.number = value(path.next_packet_number());
    out.bytes = bytes;
    out.ack_eliciting = ack_eliciting;
    return out;
  }
  static void add_ack(Path& path, Datagram& out, Instant now) {
    AckFrame ack;
    path.make_ack(ack, now);
    path.on_ack_written(now);
    out.ack_ranges.assign(ack.ranges.begin(), ack.ranges.begin() + ack.count);
    out.ack_delay_us = ack.delay_us;
  }
  Datagram build_ack(Path& path, Instant now) {
    Datagram out = next(path, kAckPacketSize, path.wants_ping_with_ack(now));
    add_ack(path, out, now);
    path.on_packet_sent(now, out.bytes, out.ack_eliciting, PacketPurpose::kNormal, {});
    return out;
  }
  Datagram build_data(bool probe, Instant now) {
    Datagram out = next(sender, kOverhead, true);
    if (sender.has_ack()) add_ack(sender, out, now);
    std::size_t room = sender.datagram_size() - kOverhead;
    while (room > 0 && has_data(now)) {
      const SentFrame frame = take(room, now);
      room -= frame.length;
      out.frames.push_back(frame);
      out.bytes += frame.length;
    }
    sender.on_packet_sent(now, out.bytes, true,
                          probe ? PacketPurpose::kPtoProbe : PacketPurpose::kNormal, out.frames);
    return out;
  }
  SentFrame take(std::size_t room, Instant now) {
    SentFrame frame;
    if (lost_.empty()) {
      const std::uint64_t left = options.produced(now) - next_offset_;
      frame = {FrameType::kStream, static_cast<std::uint32_t>(std::min<std::uint64_t>(room, left)),
               0, next_offset_, 0};
      next_offset_ += frame.length;
      return frame;
    }
    SentFrame& lost = lost_.front();
    frame = lost;
    frame.length = std::min(frame.length, static_cast<std::uint32_t>(room));
    bytes_resent += frame.length;
    lost.offset += frame.length;
    lost.length -= frame.length;
    if (lost.length == 0) lost_.pop_front();
    return frame;
  }

  std::deque<SentFrame> lost_;
  std::uint64_t next_offset_ = 0;
  RangeSet received_;
};

class PathModel {
 public:
  explicit PathModel(std::uint64_t seed) : random_(seed) {}

  Link bottleneck;
  Instant now{};

  Flow& add_flow(const FlowOptions& options) {
    flows_.push_back(std::make_unique<Flow>(options, static_cast<std::uint32_t>(flows_.size())));
    return *flows_.back();
  }
  Flow& flow(std::size_t i) { return *flows_[i]; }

  // Calls `sample` every `interval` of simulated time.
  void sample_every(Duration interval, std::function<void(Instant)> sample) {
    sample_interval_ = interval;
    next_sample_ = now;
    sample_ = std::move(sample);
  }

  void run_until(Instant end) {
    for (const auto& flow : flows_) drain(*flow);
    while (true) {
      const Instant next = next_time();
      if (next > end) break;
      now = std::max(now, next);
      step();
    }
    now = end;
  }

 private:
  struct Event {
    Instant time;
    std::uint64_t order;
    Flow* flow;
    Path* to;
    Datagram datagram;
  };
  struct Later {
    bool operator()(const Event& a, const Event& b) const {
      return a.time != b.time ? a.time > b.time : a.order > b.order;
    }
  };

  Instant next_time() {
    Instant next = events_.empty() ? kNever : events_.front().time;
    for (const auto& flow : flows_) next = std::min(next, flow_time(*flow));
    return sample_ ? std::min(next, next_sample_) : next;
  }
  Instant flow_time(Flow& flow) const {
    if (now < flow.options.start) return flow.options.start;
    return std::min(flow.sender.next_deadline(), flow.receiver.next_deadline());
  }
  void step() {
    if (sample_ && next_sample_ <= now) {
      sample_(now);
      next_sample_ += sample_interval_;
    }
    while (!events_.empty() && events_.front().time <= now) {
      std::pop_heap(events_.begin(), events_.end(), Later{});
      Event event = std::move(events_.back());
      events_.pop_back();
      event.flow->deliver(*event.to, event.datagram, now);
      // As the endpoint does: what arrives at the same time is handled before anything is sent.
      if (events_.empty() || events_.front().time > now) drain(*event.flow);
    }
    for (const auto& flow : flows_) {
      if (flow->sender.next_deadline() <= now) flow->sender.on_deadline(now, *flow);
      if (flow->receiver.next_deadline() <= now) flow->receiver.on_deadline(now, *flow);
      drain(*flow);
    }
  }
  void drain(Flow& flow) {
    while (auto datagram = flow.transmit(now)) {
      if (const auto time = bottleneck.send(datagram->bytes, now, random_))
        push(*time, flow, flow.receiver, std::move(*datagram));
    }
    while (auto datagram = flow.answer(now)) {
      if (const auto time = flow.back.send(datagram->bytes, now, random_))
        push(*time, flow, flow.sender, std::move(*datagram));
    }
  }
  void push(Instant time, Flow& flow, Path& to, Datagram datagram) {
    events_.push_back({time, order_++, &flow, &to, std::move(datagram)});
    std::push_heap(events_.begin(), events_.end(), Later{});
  }

  FastRandom random_;
  std::vector<std::unique_ptr<Flow>> flows_;
  std::vector<Event> events_;
  std::uint64_t order_ = 0;
  Duration sample_interval_{};
  Instant next_sample_ = kNever;
  std::function<void(Instant)> sample_;
};

}  // namespace whimbrel::model
