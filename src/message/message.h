// What other layers need to know about messages: limits, kinds, and verdicts on frames.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/shared_bytes.h"
#include "base/time.h"
#include "wire/frame.h"

namespace whimbrel {

// An unreliable message of more fragments, or of more bytes, is sent reliably but unordered.
inline constexpr std::size_t kUnreliableFragmentsMax = 16;
inline constexpr std::size_t kUnreliableSizeMax = 32 * 1024;

// The most that one message takes of a channel's stream: its length, then its bytes.
inline constexpr std::uint64_t kMessageStreamSizeMax =
    kMessageSizeMax + varint_size(kMessageSizeMax);

// What a message counts for in the sender's limit of bytes: without this no limit would hold for
// empty ones.
constexpr std::uint64_t send_charge(std::size_t payload_size) {
  return payload_size == 0 ? 1 : payload_size;
}

enum class Delivery : std::uint8_t { kReliable, kReliableUnordered, kUnreliable };

// At least this much of the receive limit is kept for unreliable data.
inline constexpr std::uint64_t kUnreliableShareMin = 2 * kUnreliableSizeMax;
inline constexpr std::uint64_t kReceiveBytesMin = kMessageSizeMax + kUnreliableShareMin + 16 * 1024;

// What the peer grants in the handshake: totals, of the session and of each channel.
struct InitialCredit {
  std::uint64_t session_bytes = 0;
  std::uint64_t session_messages = 0;
  std::uint64_t channel_bytes = 0;
  std::uint64_t channel_messages = 0;
};

// Limits of one session. The comments say what happens at each limit.
struct MessageLimits {
  // Received and not yet consumed by the application, partial messages included. Reliable data is
  // held back at the sender by credit; unreliable data is dropped and counted. At least
  // kReceiveBytesMin. One eighth, at least kUnreliableShareMin, is for unreliable data alone, of
  // which a channel gets a share, too.
  std::uint64_t receive_bytes_max = 1 << 20;
  // Both kinds together: reliable messages are held back by credit, unreliable ones are dropped
  // where the rest is promised to reliable ones. Half is promised; five eighths while none but
  // reliable ones come. Of what is promised one channel gets about three quarters
  // (channel_share.h). At least 1; with 1 no unreliable message finds room.
  std::uint64_t receive_messages_max = 1000;
  // Channels with state, each way. Over it: the peer's frame breaks the protocol; our send is
  // refused by can_send().
  std::size_t channels_max = 256;
  // Unreliable messages in reassembly; the oldest is dropped.
  std::size_t partial_unreliable_max = 64;
  // Stream pieces that arrived ahead of a gap; over it the packet is refused (not acknowledged).
  std::size_t early_pieces_max = 16384;
};

// Channels from 0 to below this keep their place for the whole session, once they have one.
inline constexpr ChannelId kKeptChannels = 64;

struct ReceivedMessage {
  SharedBytes payload;
  ChannelId channel = 0;
  bool reliable = false;    // also when it was reliable and unordered
  std::uint16_t place = 0;  // of the channel in the session's table: for Channels::on_consumed()
  // From 1, in the order they were sent, counted per channel and kind (ordered, unordered,
  // unreliable).
  std::uint64_t number = 0;
  Instant received;
};

// What to do with the packet a frame came in.
enum class FrameVerdict : std::uint8_t {
  kTaken,      // also when it was a duplicate
  kRefused,    // no room: do not acknowledge the packet
  kViolation,  // the peer breaks the protocol: close the session
};

struct ChannelsStats {
  std::uint64_t messages_sent = 0, messages_received = 0;
  std::uint64_t unreliable_dropped_receive_limit = 0, unreliable_dropped_incomplete = 0;
  // Frames (a whole message or a fragment of one) that were reported lost.
  std::uint64_t unreliable_lost = 0;
  std::uint64_t stream_bytes_resent = 0;
};

}  // namespace whimbrel
