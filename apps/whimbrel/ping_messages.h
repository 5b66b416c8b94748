// The messages of `whimbrel ping`: 'p' u64 number, filled up to the wanted size; the answer is the
// same with 'P'. The number is big-endian and 0 for the message that opens the session.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <whimbrel/networking_messages.h>

inline constexpr std::uint8_t kPing = 'p';
inline constexpr std::uint8_t kPong = 'P';
inline constexpr std::size_t kPingBytesMin = 9;

std::vector<std::uint8_t> ping_message(std::uint64_t number, std::size_t size);
// The number of an answer; nothing for anything else.
std::optional<std::uint64_t> pong_number(std::span<const std::uint8_t> message);
// Answers every ping that waits on the channel, as reliably as it came. Returns how many.
std::size_t answer_pings(whimbrel::NetworkingMessages& net, int channel);
