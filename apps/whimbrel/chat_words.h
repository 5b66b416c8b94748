// What two programs that chat tell each other beside the lines, on a channel of its own: which run
// of the program this is, and how many lines of the other one's run have been shown here. So each
// line is shown once, also when a session breaks under it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

struct ChatWord {
  std::uint64_t run = 0;  // the sender's, any number but 0
  // "Of your run so many lines have been shown"; 0 in the word with which a session begins.
  std::uint64_t your_run = 0;
  std::uint64_t lines_shown = 0;

  friend bool operator==(const ChatWord&, const ChatWord&) = default;
};

std::string write_chat_word(const ChatWord& word);
// Nothing if it is none: another program may use the channel for something else.
std::optional<ChatWord> read_chat_word(std::string_view text);
