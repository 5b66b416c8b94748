#include "message/outgoing.h"

#include <algorithm>
#include <utility>

#include "message/fragment_writer.h"

namespace whimbrel {

namespace {

// With less room than this nothing is written.
constexpr std::size_t kRoomMin = 8;

bool is_kept(ChannelId channel) { return channel >= 0 && channel < kKeptChannels; }

bool becomes_reliable(std::size_t size, std::size_t fragment_size) {
  const std::size_t fragment = fragment_size > 2 * kFragmentHeaderSizeMax
                                   ? fragment_size - kFragmentHeaderSizeMax
                                   : kFragmentHeaderSizeMax;
  return size > kUnreliableSizeMax || size > kUnreliableFragmentsMax * fragment;
}

}  // namespace

Outgoing::Channel::Channel(ChannelId channel, std::uint32_t place)
    : id(channel), stream(channel, place) {}

bool Outgoing::can_send(ChannelId channel) const {
  return table_.size() < channels_max_ || table_.find(channel).has_value() ||
         std::any_of(channels_.begin(), channels_.end(),
                     [this](const Channel& one) { return gives_its_place(one); });
}

bool Outgoing::waits_for_name(ChannelId channel) const {
  const auto place = table_.find(channel);
  return place ? channels_[*place].naming : table_.size() >= channels_max_;
}

void Outgoing::want_name(ChannelId channel) {
  if (waits_for_name(channel) && can_send(channel)) channels_[place_of(channel)].used = true;
}

// Whether the channel is idle and was read. The next owner of its place continues with its credit,
// and must not have to wait until somebody reads what came before.
bool Outgoing::gives_its_place(const Channel& channel) const {
  return !channel.kept && !channel.naming && channel.stream.empty() &&
         (!channel.unreliable || channel.unreliable->empty()) &&
         (!channel.unordered || channel.unordered->empty()) && credit_.is_read(channel.credit);
}

// Takes the place of a channel that was not used for long, by the clock algorithm of page
// replacement.
std::uint32_t Outgoing::take_idle_place() {
  for (std::size_t steps = 0; steps < 2 * channels_.size(); ++steps) {
    const std::uint32_t place = hand_;
    hand_ = (hand_ + 1) % static_cast<std::uint32_t>(channels_.size());
    Channel& channel = channels_[place];
    if (gives_its_place(channel) && !std::exchange(channel.used, false)) return place;
  }
  ASSERT(false);  // can_send() said no
}

void Outgoing::rename(std::uint32_t place, ChannelId name) {
  Channel& channel = channels_[place];
  table_.rename(place, name);
  channel.kept = is_kept(name);
  ++channel.names;
  channel.naming = channel.name_owed = true;
  ++names_owed_;
}

std::uint32_t Outgoing::place_of(ChannelId channel) {
  if (const auto known = table_.find(channel)) return *known;
  if (table_.size() >= channels_max_) {
    const std::uint32_t place = take_idle_place();
    rename(place, channel);
    return place;
  }
  const std::uint32_t place = table_.add(channel);
  channels_.emplace_back(channel, place);
  channels_.back().kept = is_kept(channel);
  channels_.back().credit.raise(credit_.channel_bytes(), credit_.channel_messages());
  scheduler_.set_lane_count(channels_.size() * kLanesPerChannel);
  return place;
}

void Outgoing::send(ChannelId channel, Delivery delivery, SharedBytes&& payload,
                    std::size_t fragment_size, Instant now) {
  const std::size_t size = payload.size();
  ASSERT(size <= kMessageSizeMax);
  const std::uint32_t place = place_of(channel);
  channels_[place].used = true;
  if (delivery == Delivery::kUnreliable && becomes_reliable(size, fragment_size)) {
    delivery = Delivery::kReliableUnordered;
  }
  // There is no empty fragment. Ordered delivery is more than was asked for.
  if (delivery == Delivery::kReliableUnordered && size == 0) delivery = Delivery::kReliable;
  held_bytes_ += send_charge(size);
  ++messages_sent_;
  if (delivery == Delivery::kUnreliable) {
    push_unreliable(place, std::move(payload), fragment_size, now);
    return;
  }
  pending_reliable_ += size;
  ++reliable_messages_;
  if (delivery == Delivery::kReliableUnordered) {
    push_unordered(place, std::move(payload));
    return;
  }
  const bool was_idle = !channels_[place].stream.has_new();
  channels_[place].stream.push(std::move(payload));
  if (was_idle) wake(lane_of(place, Delivery::kReliable));
}

UnreliableQueue& Outgoing::make_unreliable(std::uint32_t place) {
  auto& queue = channels_[place].unreliable;
  queue = std::make_unique<UnreliableQueue>(channels_[place].id, place);
  return *queue;
}

void Outgoing::skip_unreliable(ChannelId channel, std::uint64_t messages) {
  unreliable_of(place_of(channel)).skip(messages);
  unreliable_expired_ += messages;
}

void Outgoing::push_unreliable(std::uint32_t place, SharedBytes&& payload,
                               std::size_t fragment_size, Instant now) {
  UnreliableQueue& queue = unreliable_of(place);
  if (!pending_expiry()) next_expiry_ = now + unreliable_age_max_;
  if (now >= next_expiry_) expire(queue, now);
  pending_unreliable_ += payload.size();
  ++pending_unreliable_messages_;
  queue.push(std::move(payload), fragment_size, now);
  scheduler_.activate(lane_of(place, Delivery::kUnreliable));
}

void Outgoing::push_unordered(std::uint32_t place, SharedBytes&& payload) {
  Channel& channel = channels_[place];
  const Lane lane = lane_of(place, Delivery::kReliableUnordered);
  if (!channel.unordered) {
    channel.unordered = std::make_unique<UnorderedQueue>(channel.id, place);
  }
  const bool was_idle = !channel.unordered->has_new();
  channel.unordered->push(std::move(payload));
  if (was_idle) wake(lane);
}

// Lost data goes first. Then lanes take turns: each other lane has one turn before each turn of
// this channel.
std::uint64_t Outgoing::bytes_before(std::uint64_t own, std::size_t others,
                                     std::size_t turn) const {
  const std::uint64_t turns = own / turn + 1;
  const std::uint64_t all = pending_reliable_ + pending_unreliable_;
  return lost_bytes_ + own + std::min(all - std::min(all, own), turns * turn * others);
}

std::uint64_t Outgoing::unsent(Lane lane) const {
  const Channel& channel = channels_[lane / kLanesPerChannel];
  switch (kind_of(lane)) {
    case Delivery::kUnreliable:
      return channel.unreliable->pending_bytes();
    case Delivery::kReliableUnordered:
      return channel.unordered->unsent();
    case Delivery::kReliable:
      break;
  }
  return channel.stream.unsent();
}

// A lane that waits for credit delays nothing.
std::uint64_t Outgoing::bytes_before(ChannelId channel, std::size_t turn) const {
  std::uint64_t own = 0;
  std::size_t others = scheduler_.active_count();
  if (const auto place = table_.find(channel)) {
    for (Lane lane = *place * kLanesPerChannel; lane < (*place + 1) * kLanesPerChannel; ++lane) {
      if (!scheduler_.active(lane)) continue;
      own += unsent(lane);
      --others;
    }
  }
  return bytes_before(own, others, turn);
}

std::uint64_t Outgoing::bytes_before_any(std::size_t turn) const {
  return bytes_before(pending_reliable_ + pending_unreliable_, scheduler_.active_count(), turn);
}

void Outgoing::set_initial_credit(const InitialCredit& credit) {
  credit_.grant(credit);
  for (Channel& channel : channels_) {
    channel.credit.raise(credit_.channel_bytes(), credit_.channel_messages());
  }
  wake_waiting();
}

void Outgoing::on_session_credit(const SessionCreditFrame& frame) {
  if (credit_.raise(frame.bytes_max, frame.messages_max)) wake_waiting();
}

FrameVerdict Outgoing::on_channel_credit(const ChannelCreditFrame& frame) {
  auto place = table_.find(frame.channel);
  if (!place ||
      channels_[*place].id != frame.channel) {  // a name, and no longer the channel's first
    const auto at = std::find_if(channels_.begin(), channels_.end(),
                                 [&](const Channel& c) { return c.id == frame.channel; });
    // It is announced when something that we sent on the channel was consumed.
    if (at == channels_.end()) return FrameVerdict::kViolation;
    place = static_cast<std::uint32_t>(at - channels_.begin());
  }
  if (!channels_[*place].credit.raise(frame.bytes_max, frame.messages_max)) {
    return FrameVerdict::kTaken;
  }
  for (const Delivery kind : {Delivery::kReliable, Delivery::kReliableUnordered}) {
    const Lane lane = lane_of(*place, kind);
    if (waits(lane) && readiness_of(lane) == LaneReadiness::kReady) scheduler_.activate(lane);
  }
  return FrameVerdict::kTaken;
}

LaneCredit Outgoing::credit_of(Lane lane) { return {credit_, channel_of(lane).credit, lane}; }

bool& Outgoing::waits(Lane lane) {
  Channel& channel = channel_of(lane);
  return kind_of(lane) == Delivery::kReliable ? channel.stream_waits : channel.unordered_waits;
}

Outgoing::LaneReadiness Outgoing::readiness_of(Lane lane) {
  const Channel& channel = channel_of(lane);
  if (channel.naming) return LaneReadiness::kIdle;
  bool is_allowed = false;
  switch (kind_of(lane)) {
    case Delivery::kUnreliable:
      return channel.unreliable->empty() ? LaneReadiness::kIdle : LaneReadiness::kReady;
    case Delivery::kReliableUnordered:
      if (!channel.unordered->has_new()) return LaneReadiness::kIdle;
      is_allowed = channel.unordered->is_allowed(credit_of(lane));
      break;
    case Delivery::kReliable:
      if (!channel.stream.has_new()) return LaneReadiness::kIdle;
      is_allowed = channel.stream.is_allowed(credit_of(lane));
      break;
  }
  return is_allowed ? LaneReadiness::kReady : LaneReadiness::kWaits;
}

// Called when a lane that was idle or waiting may be able to send.
void Outgoing::wake(Lane lane) {
  const LaneReadiness state = readiness_of(lane);
  if (state == LaneReadiness::kReady) {
    scheduler_.activate(lane);
  } else {
    put_aside(lane, state);
  }
}

void Outgoing::wake_waiting() {
  // Lanes that still have too little credit go to the back again, in the same order.
  for (std::size_t count = waiting_.size(); count > 0; --count) {
    const Lane lane = waiting_.pop_front();
    waits(lane) = false;
    wake(lane);
  }
}

void Outgoing::put_aside(Lane lane, LaneReadiness state) {
  if (state != LaneReadiness::kWaits) return;
  if (!std::exchange(waits(lane), true)) waiting_.push_back(lane);
  const Channel& channel = channel_of(lane);
  credit_of(lane).wait(kind_of(lane) == Delivery::kReliable ? channel.stream.next_size()
                                                            : channel.unordered->next_size());
}

bool Outgoing::has_frames() {
  if (names_owed_ > 0) return true;
  while (!lost_lanes_.empty() && !has_lost(lost_lanes_.front())) {
    lost_queued(lost_lanes_.pop_front()) = false;
  }
  if (!lost_lanes_.empty()) return true;
  while (!scheduler_.empty()) {
    const Lane lane = scheduler_.next();
    const LaneReadiness state = readiness_of(lane);
    if (state == LaneReadiness::kReady) return true;
    scheduler_.leave();
    put_aside(lane, state);
  }
  return false;
}

void Outgoing::produce(ByteWriter& out, std::vector<SentFrame>& records, Instant now, bool fresh,
                       bool whole) {
  const std::size_t before = out.size();
  if (names_owed_ > 0) write_names(out, records);
  resend(out, records, whole);
  lost_bytes_ = lost_lanes_.empty() ? 0 : lost_bytes_ - std::min(lost_bytes_, out.size() - before);
  send_new(out, records, now, fresh && out.size() == before, whole);
}

void Outgoing::resend(ByteWriter& out, std::vector<SentFrame>& records, bool whole) {
  while (!lost_lanes_.empty()) {
    const Lane lane = lost_lanes_.front();
    if (whole && kind_of(lane) != Delivery::kReliable) return;
    while (has_lost(lane)) {
      if (!write_lost(lane, out, records) && has_lost(lane)) return;
    }
    lost_queued(lane) = false;
    lost_lanes_.pop_front();
  }
}

void Outgoing::send_new(ByteWriter& out, std::vector<SentFrame>& records, Instant now, bool fresh,
                        bool whole) {
  const auto quantum = static_cast<std::int64_t>(std::max(out.remaining(), kDatagramSizeMin));
  while (!scheduler_.empty() && out.remaining() >= kRoomMin) {
    const Lane lane = scheduler_.front(quantum);
    if (now >= next_expiry_ && kind_of(lane) == Delivery::kUnreliable)
      expire(*channel_of(lane).unreliable, now);
    LaneReadiness state = readiness_of(lane);
    const std::size_t before = out.size();
    if (state == LaneReadiness::kReady) {
      write_new(lane, out, records, fresh, whole);
      fresh = fresh && out.size() == before;
      state = readiness_of(lane);
    }
    if (state != LaneReadiness::kReady) {
      scheduler_.leave();
      put_aside(lane, state);
    } else if (out.size() == before || !scheduler_.spend(out.size() - before)) {
      // The rest of this packet is too small for it; its turn goes on in the next packet.
      if (!scheduler_.set_aside()) break;
    }
  }
  scheduler_.restore();
}

std::uint64_t Outgoing::write_new(Lane lane, ByteWriter& out, std::vector<SentFrame>& records,
                                  bool fresh, bool whole) {
  Channel& channel = channel_of(lane);
  std::uint64_t bytes = 0;
  switch (kind_of(lane)) {
    case Delivery::kUnreliable: {
      const auto written = channel.unreliable->write(out, fresh, records, whole);
      forget(written);
      return written.bytes;
    }
    case Delivery::kReliableUnordered:
      if (!whole) bytes = channel.unordered->write_new(out, credit_of(lane), records);
      break;
    case Delivery::kReliable:
      bytes = channel.stream.write_new(out, credit_of(lane), records);
      break;
  }
  pending_reliable_ -= bytes;
  unacknowledged_reliable_ += bytes;
  return bytes;
}

bool Outgoing::write_lost(Lane lane, ByteWriter& out, std::vector<SentFrame>& records) {
  Channel& channel = channel_of(lane);
  if (kind_of(lane) == Delivery::kReliable) {
    const std::uint64_t bytes = channel.stream.write_lost(out, records);
    stream_bytes_resent_ += bytes;
    return bytes > 0;
  }
  return channel.unordered->write_lost(out, records);
}

bool Outgoing::has_lost(Lane lane) {
  const Channel& channel = channel_of(lane);
  return kind_of(lane) == Delivery::kReliable ? channel.stream.has_lost()
                                              : channel.unordered->has_lost();
}

bool& Outgoing::lost_queued(Lane lane) {
  Channel& channel = channel_of(lane);
  return kind_of(lane) == Delivery::kReliable ? channel.stream_lost_queued
                                              : channel.unordered_lost_queued;
}

void Outgoing::queue_lost(Lane lane, std::uint32_t bytes) {
  if (!has_lost(lane)) return;
  lost_bytes_ += bytes;
  if (lost_queued(lane)) return;
  lost_queued(lane) = true;
  lost_lanes_.push_back(lane);
}

void Outgoing::write_names(ByteWriter& out, std::vector<SentFrame>& records) {
  for (std::uint32_t place = 0; place < channels_.size() && names_owed_ > 0; ++place) {
    Channel& channel = channels_[place];
    if (!channel.name_owed) continue;
    if (out.remaining() < kChannelNameSizeMax) return;
    channel.name_owed = false;
    --names_owed_;
    const std::uint64_t next = channel.unreliable ? channel.unreliable->sequence() : 0;
    write_channel_name(out, {channel.id, table_.channel_at(place), channel.names, next});
    records.push_back({FrameType::kChannelName, 0, place, channel.names, 0});
  }
}

void Outgoing::on_name_acked(std::uint32_t place, std::uint64_t count) {
  Channel& channel = channels_[place];
  if (!channel.naming || count != channel.names) return;
  channel.naming = false;
  if (std::exchange(channel.name_owed, false)) --names_owed_;
  if (channel.stream.has_new()) wake(lane_of(place, Delivery::kReliable));
  if (channel.unreliable) wake(lane_of(place, Delivery::kUnreliable));
  if (channel.unordered) wake(lane_of(place, Delivery::kReliableUnordered));
}

void Outgoing::on_name_lost(std::uint32_t place, std::uint64_t count) {
  Channel& channel = channels_[place];
  if (!channel.naming || count != channel.names || channel.name_owed) return;
  channel.name_owed = true;
  ++names_owed_;
}

void Outgoing::on_frame_acked(const SentFrame& frame) {
  if (frame.type == FrameType::kChannelName) return on_name_acked(frame.slot, frame.offset);
  Channel& channel = channels_[frame.slot];
  std::uint64_t acked = 0;
  std::uint64_t released = 0;
  std::uint64_t messages = 0;
  if (frame.type == FrameType::kStream) {
    const auto result = channel.stream.on_acked(frame.offset, frame.length);
    acked = result.acked_bytes;
    released = result.released_bytes;
    messages = result.messages;
  } else if (frame.type == FrameType::kReliableFragment) {
    const auto result = channel.unordered->on_acked(frame);
    acked = result.acked_bytes;
    released = result.released_bytes;
    messages = result.messages;
  }
  unacknowledged_reliable_ -= acked;
  held_bytes_ -= released;
  reliable_messages_ -= messages;
}

void Outgoing::on_frame_lost(const SentFrame& frame) {
  if (frame.type == FrameType::kChannelName) return on_name_lost(frame.slot, frame.offset);
  Channel& channel = channels_[frame.slot];
  if (frame.type == FrameType::kStream) {
    channel.stream.on_lost(frame.offset, frame.length);
    queue_lost(lane_of(frame.slot, Delivery::kReliable), frame.length);
  } else if (frame.type == FrameType::kReliableFragment) {
    channel.unordered->on_lost(frame);
    queue_lost(lane_of(frame.slot, Delivery::kReliableUnordered), frame.length);
  } else if (frame.type == FrameType::kMessage) {
    unreliable_lost_ += frame.length;
  } else if (frame.type == FrameType::kFragment) {
    ++unreliable_lost_;
  }
}

void Outgoing::drop_unreliable() {
  for (Channel& channel : channels_) {
    if (channel.unreliable) forget(channel.unreliable->drop());
  }
}

// RFC 9221 5: what is not delivered in time is of no use, and what comes behind it is newer.
void Outgoing::expire(UnreliableQueue& queue, Instant now) {
  if (unreliable_age_max_ <= Duration::zero() || queue.empty()) return;
  const Instant newest = now - unreliable_age_max_;
  if (queue.oldest() > newest) return;
  const auto dropped = queue.drop_until(newest);
  unreliable_expired_ += dropped.messages;
  forget(dropped);
}

void Outgoing::forget(const UnreliableQueue::Written& gone) {
  pending_unreliable_ -= gone.bytes;
  pending_unreliable_messages_ -= gone.messages;
  held_bytes_ -= gone.released;
}

void Outgoing::expire(Instant now) {
  if (now < next_expiry()) return;
  next_expiry_ = kNever;
  for (Channel& channel : channels_) {
    if (!channel.unreliable) continue;
    expire(*channel.unreliable, now);
    if (channel.unreliable->empty()) continue;
    next_expiry_ = std::min(next_expiry_, channel.unreliable->oldest() + unreliable_age_max_);
  }
}

}  // namespace whimbrel
