#include "path/path.h"

#include <algorithm>
#include <limits>

#include "base/timers.h"
#include "path/arrival_meter.h"
#include "path/congestion/bbr.h"
#include "path/congestion/cubic.h"
#include "path/loss_recovery.h"
#include "path/mtu_search.h"
#include "path/pacer.h"
#include "path/received_packets.h"

namespace whimbrel {
namespace {

// RFC 9000 8.1: before the address is validated, three times what came from it may be sent.
constexpr std::uint64_t kAmplificationFactor = 3;
// RFC 9000 13.2.4: packets that nobody acknowledges, before we ask for it.
constexpr std::size_t kUnackedBeforePing = 32;
// A side that only acknowledges asks for a sample when its last one is this old: with every third
// keep-alive.
constexpr Duration kSampleAgeMax = seconds(12);
// From this window on, in packets, data that fills it leaves room for a probe of the MTU search.
constexpr std::uint64_t kMtuReservePackets = 20;
// Rings that a busy time has grown are given back after the path was quiet for this long.
constexpr Duration kShrinkDelay = seconds(1);
constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();

std::unique_ptr<Controller> make_controller(const PathConfig& config) {
  switch (config.controller) {
    case ControllerKind::kBbr:
      return std::make_unique<Bbr>(config.datagram_size_min);
    case ControllerKind::kCubic:
      break;
  }
  return std::make_unique<Cubic>(config.datagram_size_min);
}

}  // namespace

struct Path::Impl {
  Impl(PathId path_id, const PathConfig& path_config, Instant now)
      : id(path_id),
        config(path_config),
        recovery(config.rtt_initial, config.peer_ack_delay_max, now),
        received(config.ack_delay_max),
        arrivals(now),
        mtu(config.datagram_size_min, config.datagram_size_max, config.mtu_search),
        pacer(config.datagram_size_min, now),
        controller(make_controller(config)),
        now_latest(now) {
    update_pacer(now);
  }

  // In the order in which those that are due at once fire.
  enum class Timer : std::uint8_t {
    kAcknowledge,  // what has come has waited long enough for company
    kMtuSearch,    // the largest datagram is looked for again
    kRecovery,     // a packet is lost, or the peer is to be probed
    kShrink,       // quiet for so long that memory is given back
    kPace,         // the next packet may leave
    kCount
  };
  [[gnu::always_inline]] inline Instant deadline_of(Timer timer) const;
  void on_timer(Timer timer, Instant now, FrameSink& sink);
  void recover(Instant now, FrameSink& sink);

  std::uint64_t window() const;
  std::uint64_t window_room() const;
  std::optional<std::size_t> mtu_probe_size(Instant now) const;
  // Room for a full packet of data; the MTU search's next probe has its own.
  bool has_room(Instant now) const;
  std::uint64_t pacing_rate() const;
  void update_pacer(Instant now) { pacer.set_rate(pacing_rate(), now); }
  void update_datagram_size();
  // Hands on what an ACK frame or a timer has settled.
  void apply(const Settled& settled, std::uint64_t in_flight_before, Instant now);
  void apply_acked(const Settled& settled, std::uint64_t in_flight_before, Instant now);
  void apply_lost(const Settled& settled, Instant now);
  void apply_mtu(const Settled& settled, Instant now);

  PathId id;
  PathConfig config;
  LossRecovery recovery;
  ReceivedPackets received;
  ArrivalMeter arrivals;
  MtuSearch mtu;
  Pacer pacer;
  std::unique_ptr<Controller> controller;
  Instant now_latest;
  // Reach of the ACK frame that the next packet to be sent carries; 0 if none.
  std::uint64_t ack_end_written = 0;
  Instant quiet_since = kNever;
  std::uint64_t bytes_unvalidated = 0;
  std::uint64_t bytes_sent_unvalidated = 0;
  bool validated = false;
  bool waiting = false;
  bool window_limited = false;
  std::uint64_t packets_received = 0;
  std::uint64_t packets_lost = 0;
  std::uint64_t spurious_losses = 0;
  std::uint64_t pto_count_total = 0;
};

// A configured least rate needs a window to go with it.
std::uint64_t Path::Impl::window() const {
  const std::uint64_t window = controller->window();
  if (config.send_rate_min == 0) return window;
  const double least =
      static_cast<double>(config.send_rate_min) * to_seconds(recovery.rtt().smoothed());
  return std::max(
      window, static_cast<std::uint64_t>(std::min(least, static_cast<double>(kWindowBytesMax))));
}

std::uint64_t Path::Impl::window_room() const {
  const std::uint64_t limit = window();
  return recovery.bytes_in_flight() < limit ? limit - recovery.bytes_in_flight() : 0;
}

std::optional<std::size_t> Path::Impl::mtu_probe_size(Instant now) const {
  if (!validated || !recovery.rtt().has_sample() || recovery.pto_count() > 0) return std::nullopt;
  if (recovery.packets().full()) return std::nullopt;
  return mtu.probe_size(now);
}

// A full packet or nothing: a sender that fills every crack sends many small ones.
bool Path::Impl::has_room(Instant now) const {
  const std::uint64_t room = window_room();
  if (room < mtu.datagram_size()) return false;
  if (room >= mtu.datagram_size() + config.datagram_size_max) return true;
  if (window() < kMtuReservePackets * mtu.datagram_size()) return true;
  return room >= mtu.datagram_size() + mtu_probe_size(now).value_or(0);
}

std::uint64_t Path::Impl::pacing_rate() const {
  std::uint64_t rate = controller->pacing_rate(recovery.rtt());
  if (rate != 0) rate = std::max(rate, config.send_rate_min);
  if (config.send_rate_max == 0) return rate;
  return rate == 0 ? config.send_rate_max : std::min(rate, config.send_rate_max);
}

void Path::Impl::update_datagram_size() {
  pacer.set_datagram_size(mtu.datagram_size());
  controller->on_datagram_size(mtu.datagram_size());
}

void Path::Impl::apply(const Settled& settled, std::uint64_t in_flight_before, Instant now) {
  if (settled.ack_end > 0) received.on_ack_acked(settled.ack_end);
  spurious_losses += settled.spurious_losses;
  for (std::uint64_t i = 0; i < settled.spurious_losses; ++i)
    controller->on_spurious_loss(settled.spurious_sent_time);
  if (settled.packets_lost > 0) apply_lost(settled, now);
  if (settled.bytes_acked > 0) apply_acked(settled, in_flight_before, now);
  apply_mtu(settled, now);
  update_pacer(now);
  if (recovery.holds_memory() && quiet_since == kNever) quiet_since = now;
}

void Path::Impl::apply_lost(const Settled& settled, Instant now) {
  packets_lost += settled.packets_lost;
  LossSample sample;
  sample.now = now;
  sample.bytes_lost = settled.bytes_lost;
  sample.packets_lost = settled.packets_lost;
  sample.sent_time = settled.lost_sent_time;
  sample.lost_end = settled.lost_end;
  sample.next_number = recovery.next_number();
  sample.bytes_in_flight = recovery.bytes_in_flight();
  sample.delivered = recovery.delivered();
  controller->on_lost(sample);
  if (settled.persistent_congestion) controller->on_persistent_congestion();
}

void Path::Impl::apply_acked(const Settled& settled, std::uint64_t in_flight_before, Instant now) {
  AckSample sample;
  sample.now = now;
  sample.bytes_acked = settled.bytes_acked;
  sample.sent_time = settled.acked_sent_time;
  sample.acked_end = settled.acked_end;
  sample.next_number = recovery.next_number();
  sample.bytes_in_flight_before = in_flight_before;
  sample.bytes_in_flight = recovery.bytes_in_flight();
  sample.has_rtt_sample = settled.has_rtt_sample;
  sample.window_limited = window_limited;
  sample.delivered = recovery.delivered();
  sample.delivered_prior = settled.delivery.delivered_prior;
  sample.interval = settled.delivery.interval;
  sample.app_limited = settled.delivery.app_limited;
  sample.bytes_lost = settled.bytes_lost;
  controller->on_acked(sample, recovery.rtt());
}

void Path::Impl::apply_mtu(const Settled& settled, Instant now) {
  bool changed = false;
  if (settled.mtu_probe_acked != 0) changed = mtu.on_probe_acked(settled.mtu_probe_acked, now);
  if (settled.mtu_probe_lost) mtu.on_probe_lost(now);
  mtu.on_acked(settled.acked_size_max);
  if (settled.packets_lost > 0) changed = mtu.on_lost(settled.lost_size_max, now) || changed;
  if (changed) update_datagram_size();
}

Path::Path(PathId id, const PathConfig& config, Instant now)
    : impl_(std::make_unique<Impl>(id, config, now)) {}
Path::~Path() = default;
Path::Path(Path&&) noexcept = default;
Path& Path::operator=(Path&&) noexcept = default;

PathId Path::id() const { return impl_->id; }
const PathConfig& Path::config() const { return impl_->config; }
const RttEstimator& Path::rtt() const { return impl_->recovery.rtt(); }

// --- sending

PacketNumber Path::next_packet_number() const {
  return PacketNumber{impl_->recovery.next_number()};
}
std::uint64_t Path::next_unacked() const { return impl_->recovery.next_unacked(); }
std::size_t Path::datagram_size() const { return impl_->mtu.datagram_size(); }

std::size_t Path::send_allowance(Instant now) const {
  const Impl& s = *impl_;
  if (!s.has_room(now) || s.recovery.packets().full()) return 0;
  const std::size_t paced = s.pacer.allowance(now);
  return std::min({static_cast<std::size_t>(s.window_room()), paced, amplification_allowance()});
}

Duration Path::time_to_room(Instant now) const {
  const Impl& s = *impl_;
  if (s.recovery.packets().full() || amplification_allowance() < s.mtu.datagram_size()) {
    return Duration::max();
  }
  if (s.has_room(now)) return Duration::zero();
  const Instant expected = oldest_unacked_time() + s.recovery.rtt().smoothed();
  if (now > expected + probe_timeout()) return Duration::max();
  return std::max(expected - now, Duration::zero());
}

std::size_t Path::amplification_allowance() const {
  const Impl& s = *impl_;
  if (s.validated) return kUnlimited;
  const std::uint64_t limit = s.bytes_unvalidated * kAmplificationFactor;
  return limit > s.bytes_sent_unvalidated
             ? static_cast<std::size_t>(limit - s.bytes_sent_unvalidated)
             : 0;
}

bool Path::full() const { return impl_->recovery.packets().full(); }
unsigned Path::probes_owed() const { return impl_->recovery.probes_owed(); }
void Path::owe_probe(FrameSink& sink) { impl_->recovery.owe_probe(sink); }
void Path::on_sign_of_life(Instant now, FrameSink& sink) {
  impl_->recovery.on_sign_of_life(now, sink);
}

std::optional<std::size_t> Path::mtu_probe_size(Instant now) const {
  const Impl& s = *impl_;
  const std::optional<std::size_t> size = s.mtu_probe_size(now);
  if (!size || *size > s.window_room()) return std::nullopt;
  return size;
}

void Path::on_packet_sent(Instant now, std::size_t bytes, bool ack_eliciting, PacketPurpose purpose,
                          std::span<const SentFrame> frames) {
  Impl& s = *impl_;
  s.now_latest = now;
  s.quiet_since = kNever;
  s.recovery.on_packet_sent(now, bytes, ack_eliciting, purpose, std::exchange(s.ack_end_written, 0),
                            frames);
  if (purpose == PacketPurpose::kMtuProbe) s.mtu.on_probe_sent(bytes);
  if (!s.validated) s.bytes_sent_unvalidated += bytes;
  if (!ack_eliciting) return;
  s.pacer.on_sent(bytes, now);
  s.controller->on_sent(now, bytes, s.recovery.bytes_in_flight());
  if (!s.has_room(now)) s.window_limited = true;
}

void Path::on_app_limited() {
  Impl& s = *impl_;
  if (!s.has_room(s.now_latest)) return;
  s.window_limited = false;
  s.recovery.on_app_limited();
  s.controller->on_app_limited(s.recovery.bytes_in_flight());
}

bool Path::idle() const { return impl_->recovery.eliciting_outstanding() == 0; }
std::uint64_t Path::bytes_in_flight() const { return impl_->recovery.bytes_in_flight(); }

// --- receiving

std::uint64_t Path::expected_number() const { return impl_->received.expected(); }
bool Path::is_duplicate(PacketNumber number) const {
  return impl_->received.is_duplicate(value(number));
}

void Path::on_packet_received(PacketNumber number, std::size_t, bool ack_eliciting, Instant now) {
  Impl& s = *impl_;
  s.now_latest = now;
  const RttEstimator& rtt = s.recovery.rtt();
  const Duration round = rtt.has_sample() ? rtt.smoothed() : Duration::zero();
  if (!s.received.on_received(value(number), ack_eliciting, round, now)) return;
  ++s.packets_received;
  s.arrivals.on_received(s.received.expected(), now);
}

void Path::hurry_ack() { impl_->received.hurry_ack(); }

void Path::on_packet_refused(PacketNumber number) { impl_->received.on_refused(value(number)); }

bool Path::has_ack() const { return impl_->received.has_ack(); }
bool Path::can_ack() const { return impl_->received.ack_end() > 0; }
bool Path::ack_due(Instant now) const {
  return impl_->received.ack_due(now) && !impl_->recovery.packets().full();
}
void Path::make_ack(AckFrame& out, Instant now) const { impl_->received.make_ack(out, now); }

void Path::on_ack_written(Instant now) {
  Impl& s = *impl_;
  s.now_latest = now;
  s.ack_end_written = s.received.ack_end();
  s.received.on_ack_written();
}

void Path::on_ack_written_elsewhere() { impl_->received.on_ack_written(); }

bool Path::wants_ping_with_ack(Instant now) const {
  if (!idle()) return impl_->recovery.backed_off(now);
  // The first time also to learn the round trip, which says how often to acknowledge.
  const RttEstimator& rtt = impl_->recovery.rtt();
  if (!rtt.has_sample() || impl_->recovery.packets().size() >= kUnackedBeforePing) return true;
  // Who only answers the peer's keep-alives would never measure again.
  return impl_->now_latest - rtt.last_sample_time() >= kSampleAgeMax;
}

bool Path::on_ack_received(const AckFrame& ack, Instant now, FrameSink& sink) {
  Impl& s = *impl_;
  s.now_latest = now;
  const std::uint64_t in_flight_before = s.recovery.bytes_in_flight();
  Settled settled;
  if (!s.recovery.on_ack_received(ack, now, sink, settled)) return false;
  s.apply(settled, in_flight_before, now);
  return true;
}

// --- timers

Instant Path::Impl::deadline_of(Timer timer) const {
  switch (timer) {
    case Timer::kAcknowledge:
      return received.next_deadline();
    case Timer::kMtuSearch:
      return mtu.next_deadline();
    case Timer::kRecovery:
      return recovery.next_deadline();
    case Timer::kShrink:
      return quiet_since != kNever ? quiet_since + kShrinkDelay : kNever;
    case Timer::kPace: {
      if (!waiting || !has_room(now_latest)) return kNever;
      const Instant paced = pacer.next_send_time(now_latest);
      return paced > now_latest ? paced : kNever;
    }
    case Timer::kCount:
      break;
  }
  return kNever;
}

void Path::Impl::on_timer(Timer timer, Instant now, FrameSink& sink) {
  switch (timer) {
    case Timer::kAcknowledge:
      return received.on_deadline(now);
    case Timer::kMtuSearch:
      return mtu.on_deadline(now);
    case Timer::kRecovery:
      return recover(now, sink);
    case Timer::kShrink:
      recovery.shrink();
      quiet_since = kNever;
      return;
    case Timer::kPace:  // the session asks send_allowance()
    case Timer::kCount:
      return;
  }
}

void Path::Impl::recover(Instant now, FrameSink& sink) {
  const std::uint64_t in_flight_before = recovery.bytes_in_flight();
  const unsigned pto_count = recovery.pto_count();
  Settled settled;
  recovery.on_deadline(now, sink, settled);
  apply(settled, in_flight_before, now);
  if (recovery.pto_count() == pto_count) return;
  ++pto_count_total;
  if (mtu.on_probe_timeout(now)) update_datagram_size();
}

Instant Path::next_deadline() const {
  return earliest_of<Impl::Timer>([this](Impl::Timer timer) { return impl_->deadline_of(timer); });
}

void Path::set_waiting(bool has_data) { impl_->waiting = has_data; }

void Path::on_deadline(Instant now, FrameSink& sink) {
  Impl& s = *impl_;
  s.now_latest = now;
  fire_due<Impl::Timer>(
      now, [&s](Impl::Timer timer) { return s.deadline_of(timer); },
      [&](Impl::Timer timer) { s.on_timer(timer, now, sink); });
}

void Path::probe_now(Instant now, FrameSink& sink) { impl_->recovery.probe_now(now, sink); }

// --- address validation and roaming

void Path::set_address_validated() { impl_->validated = true; }
bool Path::address_validated() const { return impl_->validated; }
void Path::on_unvalidated_bytes(std::size_t bytes) {
  if (!impl_->validated) impl_->bytes_unvalidated += bytes;
}

void Path::reset_for_new_route(Instant now, std::optional<Duration> rtt_initial) {
  Impl& s = *impl_;
  s.now_latest = now;
  s.recovery.reset_for_new_route(rtt_initial.value_or(s.config.rtt_initial), now);
  s.controller = make_controller(s.config);
  s.mtu = MtuSearch(s.config.datagram_size_min, s.config.datagram_size_max, s.config.mtu_search);
  s.pacer = Pacer(s.config.datagram_size_min, now);
  s.window_limited = false;
  s.update_pacer(now);
}

void Path::set_send_rate(std::uint64_t rate_min, std::uint64_t rate_max) {
  Impl& s = *impl_;
  s.config.send_rate_min = rate_min;
  s.config.send_rate_max = rate_max;
  s.update_pacer(s.now_latest);
}

void Path::set_peer_ack_delay_max(Duration delay) { impl_->recovery.set_peer_ack_delay_max(delay); }
void Path::on_handshake_rtt(Duration rtt) {
  Impl& s = *impl_;
  s.recovery.on_handshake_rtt(rtt, s.now_latest);
  s.update_pacer(s.now_latest);
}

void Path::abandon(FrameSink& sink) { impl_->recovery.abandon(sink); }
void Path::give_back_all(FrameSink& sink) { impl_->recovery.give_back_all(sink); }

Instant Path::oldest_unacked_time() const { return impl_->recovery.oldest_unacked_time(); }
Duration Path::probe_timeout() const { return impl_->recovery.probe_timeout(); }

PathStats Path::stats() const {
  const Impl& s = *impl_;
  const RttEstimator& rtt = s.recovery.rtt();
  PathStats out;
  out.rtt_smoothed = rtt.smoothed();
  out.rtt_min = rtt.min();
  out.rtt_variation = rtt.variation();
  out.has_rtt = rtt.has_sample();
  out.window_bytes = s.window();
  out.bytes_in_flight = s.recovery.bytes_in_flight();
  const auto by_window =
      static_cast<std::uint64_t>(static_cast<double>(s.window()) / to_seconds(rtt.smoothed()));
  out.send_rate = s.pacer.rate() == 0 ? by_window : std::min(by_window, s.pacer.rate());
  out.packets_sent = s.recovery.next_number();
  out.packets_received = s.packets_received;
  out.packets_lost = s.packets_lost;
  out.spurious_losses = s.spurious_losses;
  out.pto_count_total = s.pto_count_total;
  out.datagram_size = s.mtu.datagram_size();
  return out;
}

double Path::arrival_share(Instant now) const { return impl_->arrivals.share(now); }

}  // namespace whimbrel
