#include "chat_words.h"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <system_error>

namespace {

constexpr std::string_view kBegin = "chat ";

}  // namespace

std::string write_chat_word(const ChatWord& word) {
  return fmt::format("{}{:x} {:x} {:x}", kBegin, word.run, word.your_run, word.lines_shown);
}

std::optional<ChatWord> read_chat_word(std::string_view text) {
  if (!text.starts_with(kBegin)) return std::nullopt;
  std::array<std::uint64_t, 3> numbers{};
  const char* at = text.data() + kBegin.size();
  const char* const end = text.data() + text.size();
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0 && (at == end || *at++ != ' ')) return std::nullopt;
    const auto [stopped, error] = std::from_chars(at, end, numbers[i], 16);
    if (error != std::errc()) return std::nullopt;
    at = stopped;
  }
  if (at != end || numbers[0] == 0) return std::nullopt;
  return ChatWord{numbers[0], numbers[1], numbers[2]};
}
