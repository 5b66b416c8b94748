#include "ping_messages.h"

#include <algorithm>

std::vector<std::uint8_t> ping_message(std::uint64_t number, std::size_t size) {
  std::vector<std::uint8_t> message(std::max(size, kPingBytesMin));
  message[0] = kPing;
  for (std::size_t i = 0; i < 8; ++i) {
    message[1 + i] = static_cast<std::uint8_t>(number >> (56 - 8 * i));
  }
  return message;
}

std::optional<std::uint64_t> pong_number(std::span<const std::uint8_t> message) {
  if (message.size() < kPingBytesMin || message[0] != kPong) return std::nullopt;
  std::uint64_t number = 0;
  for (std::size_t i = 1; i < kPingBytesMin; ++i) number = number << 8 | message[i];
  return number;
}

std::size_t answer_pings(whimbrel::NetworkingMessages& net, int channel) {
  std::size_t answered = 0;
  for (const auto& message : net.receive_messages_on_channel(channel, 64)) {
    const auto payload = message.payload();
    if (payload.size() < kPingBytesMin || payload[0] != kPing) continue;
    std::vector<std::uint8_t> answer(payload.begin(), payload.end());
    answer[0] = kPong;
    // An answer that finds no room is as good as lost: the other side counts it.
    net.send_message_to_user(message.identity(), answer,
                             (message.flags() & whimbrel::kSendReliable) | whimbrel::kSendNoNagle,
                             channel);
    ++answered;
  }
  return answered;
}
