#include "message/incoming.h"

#include <algorithm>
#include <utility>

namespace whimbrel {

namespace {

// Credit is announced in steps of at least this, while the application lags behind.
constexpr std::uint64_t kBytesStep = 4096;
constexpr std::uint64_t kMessagesStep = 16;

// The part of the receive limit that is promised to reliable data.
std::uint64_t reliable_share(std::uint64_t receive_bytes_max) {
  const std::uint64_t total = std::max(receive_bytes_max, kReceiveBytesMin);
  return total - std::max(kUnreliableShareMin, total / 8);
}

// Less than everything: a channel that is not read leaves credit to the others, unless a message is
// larger than what is left.
std::uint64_t channel_share(std::uint64_t receive_bytes_max) {
  return std::min(reliable_share(receive_bytes_max),
                  std::max(kMessageStreamSizeMax, receive_bytes_max / 4 * 3));
}

// How many messages are promised to reliable ones while both kinds come.
std::uint64_t messages_half(std::uint64_t receive_messages_max) {
  return (receive_messages_max + 1) / 2;
}

// The same while only reliable ones come. A promise cannot be taken back, so this leaves room for
// unreliable messages that arrive while the reader pauses: 375 of 1000.
std::uint64_t messages_alone(std::uint64_t receive_messages_max) {
  return std::max(messages_half(receive_messages_max),
                  receive_messages_max - receive_messages_max * 3 / 8);
}

// No less than what a channel could use by its share.
std::uint64_t channel_messages(std::uint64_t receive_messages_max) {
  const std::uint64_t all = messages_alone(receive_messages_max);
  return all - all / 5;
}

}  // namespace

Incoming::Channel::Channel(ChannelId channel, std::uint64_t bytes_window,
                           std::uint64_t messages_window)
    : bytes(bytes_window, kMessageStreamSizeMax, kBytesStep),
      messages(messages_window, 1, kMessagesStep),
      stream(channel) {}

Incoming::Incoming(const MessageLimits& limits, SlabAllocator* slabs)
    : limits_(limits),
      own_slabs_(slabs == nullptr ? std::make_unique<SlabAllocator>() : nullptr),
      slabs_(slabs == nullptr ? own_slabs_.get() : slabs),
      channel_bytes_(channel_share(limits.receive_bytes_max)),
      channel_messages_(channel_messages(std::max<std::uint64_t>(limits.receive_messages_max, 1))),
      bytes_(reliable_share(limits.receive_bytes_max), kMessageStreamSizeMax, kBytesStep),
      messages_(messages_half(std::max<std::uint64_t>(limits.receive_messages_max, 1)), 1,
                kMessagesStep),
      partials_(limits.partial_unreliable_max) {
  limits_.receive_bytes_max = std::max(limits.receive_bytes_max, kReceiveBytesMin);
  limits_.receive_messages_max = std::max<std::uint64_t>(limits.receive_messages_max, 1);
}

// Null if the peer uses too many channels.
Incoming::Channel* Incoming::channel_of(ChannelId channel) {
  if (const auto place = table_.find(channel)) return &channels_[*place];
  if (table_.size() >= limits_.channels_max) return nullptr;
  table_.add(channel);
  return &channels_.emplace_back(channel, channel_bytes_, channel_messages_);
}

ReceiveContext Incoming::context(Channel& channel, Instant now, std::vector<ReceivedMessage>& out) {
  return {*slabs_,
          bytes_,
          messages_,
          channel.bytes,
          channel.messages,
          early_pieces_,
          limits_.early_pieces_max,
          now,
          out};
}

FrameVerdict Incoming::on_stream(const StreamFrame& frame, Instant now,
                                 std::vector<ReceivedMessage>& out) {
  Channel* channel = channel_of(frame.channel);
  if (channel == nullptr) return FrameVerdict::kViolation;
  const std::size_t before = out.size();
  const FrameVerdict verdict =
      channel->stream.on_frame(frame.offset, frame.bytes, context(*channel, now, out));
  note_charged(*channel, out.size() - before);
  label(*channel, &Naming::ordered, before, out);
  return verdict;
}

FrameVerdict Incoming::on_message(const MessageFrame& frame, Instant now,
                                  std::vector<ReceivedMessage>& out) {
  Channel* channel = channel_of(frame.channel);
  if (frame.bytes.size() > kMessageSizeMax || channel == nullptr) return FrameVerdict::kViolation;
  if (channel->is_over(frame.sequence)) return FrameVerdict::kTaken;
  if (!make_room_for_unreliable(*channel, frame.bytes.size())) return FrameVerdict::kTaken;
  deliver_unreliable(*channel, frame.sequence, slabs_->copy(frame.bytes), now, out);
  return FrameVerdict::kTaken;
}

// Whether the channel leaves enough to the others with one more message. Messages in reassembly do
// not count: they give way.
bool Incoming::within_unreliable_share(const Channel& channel, std::uint64_t size) const {
  const auto rest = [](std::uint64_t all, std::uint64_t taken) {
    return all - std::min(all, taken);
  };
  const std::uint64_t bytes = rest(limits_.receive_bytes_max, bytes_.reserved());
  const std::uint64_t messages = rest(limits_.receive_messages_max, messages_.reserved());
  return within_share(channel.unreliable_messages, 1, rest(messages, unreliable_messages_),
                      messages, kShareOfMessages) &&
         within_share(channel.unreliable_bytes, size, rest(bytes, unreliable_bytes_), bytes,
                      share_of_bytes(bytes));
}

// Older messages in reassembly give way. False: the new one is dropped.
bool Incoming::make_room_for_unreliable(const Channel& channel, std::uint64_t size) {
  const auto fits = [this, size] {
    return bytes_.reserved() + unreliable_bytes_ + partials_.bytes() + size <=
               limits_.receive_bytes_max &&
           messages_.reserved() + unreliable_messages_ + partials_.count() <
               limits_.receive_messages_max;
  };
  unreliable_came_at_ = messages_.charged();
  if (within_unreliable_share(channel, size)) {
    while (!fits() && !partials_.empty()) partials_.drop_oldest();
    if (fits()) return true;
  }
  ++dropped_receive_limit_;
  return false;
}

void Incoming::deliver_unreliable(Channel& channel, std::uint64_t sequence, SharedBytes payload,
                                  Instant now, std::vector<ReceivedMessage>& out) {
  if (copies_) {
    if (!channel.seen) channel.seen = std::make_unique<SeenSequences>();
    channel.seen->note(sequence);
  }
  unreliable_bytes_ += payload.size();
  ++unreliable_messages_;
  channel.unreliable_bytes += static_cast<std::uint32_t>(payload.size());
  ++channel.unreliable_messages;
  ++messages_received_;
  const auto place = static_cast<std::uint16_t>(&channel - channels_.data());
  out.push_back({std::move(payload), channel.stream.channel(), false, place, sequence + 1, now});
  // A game sends many thousands of these: a channel that is open under its first name needs nothing
  // more.
  if (!channel.open || channel.naming) label(channel, &Naming::unreliable, out.size() - 1, out);
}

// The messages from `first` on, of one channel and kind, under the name that the application knows.
void Incoming::label(Channel& channel, std::uint64_t Naming::*former, std::size_t first,
                     std::vector<ReceivedMessage>& out) {
  if (first == out.size()) return;
  if (!channel.open) open(channel);
  const auto place = static_cast<std::uint16_t>(&channel - channels_.data());
  for (std::size_t i = first; i < out.size(); ++i) out[i].place = place;
  if (!channel.naming) return;
  for (std::size_t i = first; i < out.size(); ++i) {
    out[i].channel = channel.naming->name;
    out[i].number -= std::min(out[i].number, (*channel.naming).*former);
  }
}

// The channel's sequence numbers go on, so that nothing that comes late is taken for new.
FrameVerdict Incoming::on_channel_name(const ChannelNameFrame& frame) {
  Channel* channel = channel_of(frame.channel);
  if (channel == nullptr) return FrameVerdict::kViolation;
  if (channel->naming && frame.count <= channel->naming->count) return FrameVerdict::kTaken;
  if (channel->open) give_away(*channel);
  if (!channel->naming) channel->naming = std::make_unique<Naming>();
  const std::uint64_t unordered = channel->unordered ? channel->unordered->end() : 0;
  *channel->naming = {frame.name, frame.count, channel->stream.delivered(), unordered,
                      frame.sequence};
  return FrameVerdict::kTaken;
}

void Incoming::open(Channel& channel) {
  // The peer may have given the former place to another channel, and its CHANNEL_NAME may still be
  // on its way.
  for (Channel& other : channels_) {
    if (!other.open || other.name() != channel.name()) continue;
    other.open = false;
    --open_channels_;
  }
  channel.open = true;
  if (!given_away_ || given_away_->erase(channel.name()) == 0) ++open_channels_;
}

// The application has not closed the channel: it stays open although it has no place.
void Incoming::give_away(Channel& channel) {
  channel.open = false;
  if (!given_away_) given_away_ = std::make_unique<std::set<ChannelId>>();
  if (given_away_->size() < kGivenAwayMax) given_away_->insert(channel.name());
}

bool Incoming::close_channel(ChannelId name) {
  for (Channel& channel : channels_) {
    if (!channel.open || channel.name() != name) continue;
    channel.open = false;
    --open_channels_;
    return true;
  }
  if (!given_away_ || given_away_->erase(name) == 0) return false;
  --open_channels_;
  return true;
}

FrameVerdict Incoming::on_fragment(const FragmentFrame& frame, Instant now,
                                   std::vector<ReceivedMessage>& out) {
  if (frame.reliable) return on_reliable_fragment(frame, now, out);
  Channel* channel = channel_of(frame.channel);
  if (channel == nullptr) return FrameVerdict::kViolation;
  if (channel->is_over(frame.sequence)) return FrameVerdict::kTaken;
  expire(now);
  const std::uint32_t place = *table_.find(frame.channel);
  if (!partials_.knows(place, frame.sequence)) {
    if (!make_room_for_unreliable(*channel, frame.total)) return FrameVerdict::kTaken;
    partials_.begin(place, frame.sequence, SharedBytes::make(frame.total), now);
  }
  SharedBytes payload;
  switch (partials_.add(place, frame, payload)) {
    case UnreliableReassembly::Added::kComplete:
      deliver_unreliable(*channel, frame.sequence, std::move(payload), now, out);
      return FrameVerdict::kTaken;
    case UnreliableReassembly::Added::kContradiction:
      return FrameVerdict::kViolation;
    case UnreliableReassembly::Added::kIncomplete:
      break;
  }
  return FrameVerdict::kTaken;
}

FrameVerdict Incoming::on_reliable_fragment(const FragmentFrame& frame, Instant now,
                                            std::vector<ReceivedMessage>& out) {
  Channel* channel = channel_of(frame.channel);
  if (channel == nullptr) return FrameVerdict::kViolation;
  if (!channel->unordered) {
    channel->unordered = std::make_unique<UnorderedReassembly>(limits_.receive_messages_max);
  }
  const std::size_t before = out.size();
  const FrameVerdict verdict = channel->unordered->on_frame(frame, context(*channel, now, out));
  note_charged(*channel, out.size() - before);
  label(*channel, &Naming::unordered, before, out);
  return verdict;
}

void Incoming::on_consumed(std::uint16_t place, bool reliable, std::uint64_t bytes,
                           std::uint64_t messages) {
  ASSERT(place < channels_.size());
  Channel& channel = channels_[place];
  if (!reliable) {
    ASSERT(bytes <= channel.unreliable_bytes && messages <= channel.unreliable_messages);
    channel.unreliable_bytes -= static_cast<std::uint32_t>(bytes);
    channel.unreliable_messages -= static_cast<std::uint32_t>(messages);
    unreliable_bytes_ -= bytes;
    unreliable_messages_ -= messages;
    return;
  }
  ASSERT(messages <= channel.unread);
  channel.unread -= static_cast<std::uint32_t>(messages);
  channel.bytes.free(bytes);
  channel.messages.free(messages);
  bytes_.free(bytes);
  messages_.free(messages);
  consider(channel, scarce());
}

// Whether a sender could wait although it has credit for a message of the largest size, because its
// channel holds too much for what is left. A channel all of whose messages were consumed holds no
// more than the quarter of its window that is not announced yet: this, and the message, must be
// within its share.
bool Incoming::scarce() const {
  const std::uint64_t messages = messages_half(limits_.receive_messages_max);
  return !within_share(channel_messages_ / 4 + 1, 1, messages_.remaining(), messages,
                       kShareOfMessages) ||
         !within_share(channel_bytes_ / 4, kMessageStreamSizeMax, bytes_.remaining(),
                       bytes_.window(), share_of_bytes(bytes_.window()));
}

void Incoming::consider(Channel& channel, bool is_scarce) {
  const bool caught_up = channel.unread == 0;
  bytes_.consider(caught_up, is_scarce);
  messages_.consider(caught_up, is_scarce);
  channel.bytes.consider(caught_up, is_scarce);
  channel.messages.consider(caught_up, is_scarce);
  if (channel.bytes.due() || channel.messages.due()) queue_credit(channel);
}

// After a frame of a reliable message.
void Incoming::note_charged(Channel& channel, std::size_t delivered) {
  channel.unread += static_cast<std::uint32_t>(delivered);
  messages_received_ += delivered;
  share_messages();
  const bool is_scarce = scarce();
  if (is_scarce && !was_scarce_) {
    for (Channel& one : channels_) consider(one, true);
  }
  was_scarce_ = is_scarce;
}

// After enough reliable messages in a row, nobody else needs the room. If both kinds have been seen
// they may alternate, so more in a row are needed. When an unreliable one comes, the window is half
// again, as soon as what was promised is used up.
void Incoming::share_messages() {
  const std::uint64_t all = limits_.receive_messages_max;
  const std::uint64_t in_a_row = messages_.charged() - unreliable_came_at_.value_or(0);
  const std::uint64_t unreliable = unreliable_messages_ + partials_.count();
  const bool alone = in_a_row > (unreliable_came_at_ ? 2 * all : all / 4) && unreliable <= all / 8;
  const std::uint64_t window = alone ? messages_alone(all) : messages_half(all);
  if (window == messages_.window()) return;
  messages_.set_window(window);
  // Announced at once: a sender that has used up the smaller window is waiting.
  if (messages_.reserved() > messages_.promised()) messages_.set_due();
}

void Incoming::queue_credit(Channel& channel) {
  if (channel.credit_queued) return;
  channel.credit_queued = true;
  due_channels_.push_back(static_cast<std::uint32_t>(&channel - channels_.data()));
}

void Incoming::produce(ByteWriter& out, std::vector<SentFrame>& records) {
  if ((bytes_.due() || messages_.due()) && out.remaining() >= kSessionCreditSizeMax) {
    const SessionCreditFrame frame{bytes_.announce(), messages_.announce()};
    write_session_credit(out, frame);
    records.push_back({FrameType::kSessionCredit, 0, 0, frame.messages_max, frame.bytes_max});
  }
  while (!due_channels_.empty() && out.remaining() >= kChannelCreditSizeMax) {
    const std::uint32_t place = due_channels_.pop_front();
    Channel& channel = channels_[place];
    channel.credit_queued = false;
    const ChannelCreditFrame frame{channel.stream.channel(), channel.bytes.announce(),
                                   channel.messages.announce()};
    write_channel_credit(out, frame);
    records.push_back({FrameType::kChannelCredit, 0, place, frame.messages_max, frame.bytes_max});
  }
}

// Sent again with the newest value, unless a newer one has left since.
void Incoming::on_frame_lost(const SentFrame& frame) {
  if (frame.type == FrameType::kSessionCredit) {
    if (frame.extra == bytes_.limit() && frame.offset == messages_.limit()) bytes_.set_due();
  } else if (frame.type == FrameType::kChannelCredit) {
    Channel& channel = channels_[frame.slot];
    if (frame.extra != channel.bytes.limit() || frame.offset != channel.messages.limit()) return;
    channel.bytes.set_due();
    queue_credit(channel);
  }
}

std::uint64_t Incoming::held_bytes() const {
  return bytes_.held() + unreliable_bytes_ + partials_.bytes();
}

}  // namespace whimbrel
