#include "site/site.h"

#include <algorithm>

#include "traversal/stun.h"

namespace whimbrel {

namespace {
// Answers that wait for the socket; then the oldest is dropped.
constexpr std::size_t kStunAnswersMax = 256;
}  // namespace

Site::Site(const SiteConfig& config, rendezvous::Authority* authority, relay::SiteKeys& keys,
           Random& random, Instant now, UnixMillis unix_now, relay::HandoverOutlet* outlet)
    : config_(config),
      clock_(now, unix_now),
      outlet_(outlet),
      stun_rate_(config.stun_answers_per_second, config.stun_answers_per_second, now),
      stun_prefixes_(config.stun_answers_of_prefix, random, now) {
  if (config.rendezvous && plays(SiteRole::kControl)) {
    ASSERT(authority != nullptr);
    control_ = std::make_unique<SiteControl>(config_, *authority, keys, random, now, clock_);
  }
  if (config.relay && plays(SiteRole::kRelayShard)) {
    config_.relay_config.relay_id = relay::site_id(config_.site_name);
    relay_ = std::make_unique<relay::RelayServer>(config_.relay_config, keys, random, now, clock_,
                                                  outlet);
  }
}

Site::~Site() = default;

std::optional<IpAddress> Site::receive(const IpAddress& from, MutableBytes datagram, Instant now) {
  if (datagram.empty()) {
    ++counters_.dropped_empty;
  } else if (is_relayed(datagram)) {
    return relay_->receive(from, datagram, now);
  } else if (config_.relay && relay::is_relay_packet(datagram[0])) {
    hand_over(from, datagram, relay::shard_of(datagram, config_.relay_config.shards));
  } else if (config_.role == SiteRole::kRelayShard) {
    hand_over(from, datagram, relay::kControlShard);
  } else if (config_.stun && is_stun_packet(datagram[0])) {
    on_stun(from, datagram, now);
  } else if (control_ && packet_kind(datagram[0]) != PacketKind::kOther) {
    control_->receive(from, datagram, now);
  } else {
    ++counters_.dropped_unknown_type;
  }
  return std::nullopt;
}

// The kernel joins datagrams of a client by their size alone, also one for the relay with one for
// another part: the second must be handed over.
void Site::hand_over(const IpAddress& from, Bytes datagram, std::uint32_t shard) {
  relay::Handover astray;
  astray.kind = relay::Handover::Kind::kDatagram;
  astray.from = from;
  const bool done = outlet_->hand_over(shard, astray, datagram);
  ++(done ? counters_.handed_over : counters_.dropped_handover);
}

std::optional<IpAddress> Site::take(const relay::Handover& handover, MutableBytes bytes,
                                    Instant now) {
  if (handover.kind == relay::Handover::Kind::kDatagram) {
    return receive(handover.from, bytes, now);
  }
  return relay_ ? relay_->take(handover, bytes, now) : std::nullopt;
}

void Site::on_stun(const IpAddress& from, Bytes datagram, Instant now) {
  static_assert(sizeof(Answer::bytes) >= kStunAnswerSizeMax);
  Answer answer;
  answer.size = static_cast<std::uint8_t>(answer_binding_request(datagram, from, answer.bytes));
  if (answer.size == 0 || !stun_prefixes_.take(from, now) || !stun_rate_.take(1, now)) {
    ++counters_.dropped_stun;
    return;
  }
  answer.to = from;
  if (stun_answers_.size() >= kStunAnswersMax) {
    stun_answers_.pop_front();
    ++counters_.dropped_stun;
  }
  ++counters_.stun_answered;
  stun_answers_.push_back(answer);
}

void Site::advance(Instant now) {
  if (control_) control_->advance(now);
  if (relay_) relay_->advance(now);
}

void Site::set_wall_clock(Instant now, UnixMillis unix_now) {
  const bool jumped = clock_.set(now, unix_now);
  if (jumped && control_) control_->on_clock_jump(now);
}

void Site::set_site_addresses(const std::string& site, const std::vector<IpAddress>& addresses) {
  if (control_) control_->set_site_addresses(site, addresses);
}

void Site::reconfigure(const SiteConfig& config, Instant now) {
  if (control_) {
    control_->set_limits(config.rendezvous_limits, config.lobby_limits);
    control_->set_sites(config.relay_addresses, config.other_sites);
  }
  const relay::RelayConfig& own = config_.relay_config;
  if (relay_) relay_->set_limits(config.relay_config.limits.share_of(own.shard, own.shards), now);
}

void Site::record(Recorded what) {
  if (control_) control_->record(what);
  if (relay_) relay_->record(what);
}

SiteEvents Site::take_events() {
  SiteEvents taken;
  if (control_) taken.rendezvous = control_->take_events();
  if (relay_) taken.relay = relay_->take_events();
  return taken;
}

std::optional<Transmit> Site::poll_transmit(MutableBytes buffer, Instant now) {
  if (!stun_answers_.empty()) {
    const Answer& answer = stun_answers_.front();
    std::copy_n(answer.bytes.begin(), answer.size, buffer.begin());
    const Transmit out{answer.to, answer.size, answer.size};
    stun_answers_.pop_front();
    return out;
  }
  if (relay_) {
    if (const auto reply = relay_->poll_transmit(buffer)) {
      return Transmit{reply->to, reply->size, reply->size};
    }
  }
  return control_ ? control_->poll_transmit(buffer, now) : std::nullopt;
}

Instant Site::next_deadline() const {
  const Instant relay = relay_ ? relay_->next_deadline() : kNever;
  return control_ ? std::min(relay, control_->next_deadline()) : relay;
}

void Site::drain(Duration time, Instant now) {
  if (control_) control_->farewell(time);
  if (relay_) relay_->drain(time, now);
}

}  // namespace whimbrel
