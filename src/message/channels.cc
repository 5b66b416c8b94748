#include "message/channels.h"

#include "message/incoming.h"
#include "message/outgoing.h"

namespace whimbrel {

struct Channels::Impl {
  Impl(const MessageLimits& limits, SlabAllocator* slabs)
      : out(limits.channels_max), in(limits, slabs) {}

  Outgoing out;
  Incoming in;
};

Channels::Channels(const MessageLimits& limits, SlabAllocator* slabs)
    : impl_(std::make_unique<Impl>(limits, slabs)) {}
Channels::~Channels() = default;
Channels::Channels(Channels&&) noexcept = default;
Channels& Channels::operator=(Channels&&) noexcept = default;

bool Channels::can_send(ChannelId channel) const { return impl_->out.can_send(channel); }
bool Channels::waits_for_name(ChannelId channel) const {
  return impl_->out.waits_for_name(channel);
}
void Channels::want_name(ChannelId channel) { impl_->out.want_name(channel); }

void Channels::send(ChannelId channel, Delivery delivery, SharedBytes payload,
                    std::size_t fragment_size, Instant now) {
  impl_->out.send(channel, delivery, std::move(payload), fragment_size, now);
}

void Channels::set_initial_credit(const InitialCredit& credit) {
  impl_->out.set_initial_credit(credit);
}

void Channels::on_session_credit(const SessionCreditFrame& frame) {
  impl_->out.on_session_credit(frame);
}

FrameVerdict Channels::on_channel_credit(const ChannelCreditFrame& frame) {
  return impl_->out.on_channel_credit(frame);
}

bool Channels::has_frames() const { return impl_->in.has_frames() || impl_->out.has_frames(); }

bool Channels::produce(ByteWriter& out, std::vector<SentFrame>& records, Instant now, bool whole) {
  const std::size_t before = out.size();
  impl_->in.expire(now);
  impl_->in.produce(out, records);
  impl_->out.produce(out, records, now, out.size() == before, whole);
  return out.size() != before;
}

void Channels::on_frame_acked(const SentFrame& frame) {
  if (frame.type == FrameType::kStream || frame.type == FrameType::kReliableFragment ||
      frame.type == FrameType::kChannelName) {
    impl_->out.on_frame_acked(frame);
  }
}

void Channels::on_frame_lost(const SentFrame& frame) {
  if (frame.type == FrameType::kSessionCredit || frame.type == FrameType::kChannelCredit) {
    impl_->in.on_frame_lost(frame);
  } else {
    impl_->out.on_frame_lost(frame);
  }
}

std::uint64_t Channels::pending_reliable() const { return impl_->out.pending_reliable(); }
std::uint64_t Channels::pending_unreliable() const { return impl_->out.pending_unreliable(); }
std::uint64_t Channels::unacknowledged_reliable() const {
  return impl_->out.unacknowledged_reliable();
}
std::uint64_t Channels::held_bytes() const { return impl_->out.held_bytes(); }
std::uint64_t Channels::bytes_before(ChannelId channel, std::size_t turn) const {
  return impl_->out.bytes_before(channel, turn);
}
std::uint64_t Channels::bytes_before_any(std::size_t turn) const {
  return impl_->out.bytes_before_any(turn);
}
bool Channels::flushed() const { return impl_->out.flushed(); }
bool Channels::drained() const { return impl_->out.drained(); }
void Channels::drop_unreliable() { impl_->out.drop_unreliable(); }
void Channels::set_unreliable_age_max(Duration age_max) {
  impl_->out.set_unreliable_age_max(age_max);
}
void Channels::expire(Instant now) { impl_->out.expire(now); }
void Channels::skip_unreliable(ChannelId channel, std::uint64_t messages) {
  impl_->out.skip_unreliable(channel, messages);
}
Instant Channels::next_expiry() const { return impl_->out.next_expiry(); }
std::uint64_t Channels::unreliable_expired() const { return impl_->out.unreliable_expired(); }

FrameVerdict Channels::on_stream(const StreamFrame& frame, Instant now,
                                 std::vector<ReceivedMessage>& out) {
  return impl_->in.on_stream(frame, now, out);
}
FrameVerdict Channels::on_message(const MessageFrame& frame, Instant now,
                                  std::vector<ReceivedMessage>& out) {
  return impl_->in.on_message(frame, now, out);
}
FrameVerdict Channels::on_fragment(const FragmentFrame& frame, Instant now,
                                   std::vector<ReceivedMessage>& out) {
  return impl_->in.on_fragment(frame, now, out);
}
void Channels::expect_copies() { impl_->in.expect_copies(); }

FrameVerdict Channels::on_channel_name(const ChannelNameFrame& frame) {
  return impl_->in.on_channel_name(frame);
}
bool Channels::close_channel(ChannelId channel) { return impl_->in.close_channel(channel); }
bool Channels::has_open_channels() const { return impl_->in.has_open_channels(); }
void Channels::on_consumed(std::uint16_t place, bool reliable, std::uint64_t bytes,
                           std::uint64_t messages) {
  impl_->in.on_consumed(place, reliable, bytes, messages);
}

InitialCredit Channels::initial_credit() const { return impl_->in.initial_credit(); }

std::uint64_t Channels::receive_held() const { return impl_->in.held_bytes(); }

ChannelsStats Channels::stats() const {
  ChannelsStats stats;
  stats.messages_sent = impl_->out.messages_sent();
  stats.messages_received = impl_->in.messages_received();
  stats.unreliable_dropped_receive_limit = impl_->in.unreliable_dropped_receive_limit();
  stats.unreliable_dropped_incomplete = impl_->in.unreliable_dropped_incomplete();
  stats.unreliable_lost = impl_->out.unreliable_lost();
  stats.stream_bytes_resent = impl_->out.stream_bytes_resent();
  return stats;
}

}  // namespace whimbrel
