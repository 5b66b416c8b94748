#include "kept_lines.h"

#include <gtest/gtest.h>

#include "chat_words.h"

namespace {

// Gives all that waits to the session.
std::string give(KeptLines& kept) {
  std::string given;
  while (const std::string* line = kept.next()) {
    given += *line;
    kept.on_given();
  }
  return given;
}

KeptLines with(std::string_view letters) {
  KeptLines kept;
  for (const char letter : letters) kept.push(std::string(1, letter));
  return kept;
}

TEST(KeptLines, WhatWasShownIsGone) {
  KeptLines kept = with("abc");
  kept.on_shown(7, 0);
  EXPECT_EQ(give(kept), "abc");
  kept.on_shown(7, 2);
  EXPECT_EQ(kept.size(), 1u);
  kept.push("d");
  EXPECT_EQ(give(kept), "d");
  kept.on_shown(7, 4);
  EXPECT_TRUE(kept.empty());
}

TEST(KeptLines, AfterABrokenSessionOnlyWhatWasNotShown) {
  KeptLines kept = with("abc");
  kept.on_shown(7, 0);
  give(kept);
  kept.on_shown(7, 1);
  kept.on_session_ended();
  kept.push("d");
  kept.on_shown(7, 2);  // "b" had arrived, and its confirmation had not
  EXPECT_EQ(give(kept), "cd");
  kept.on_shown(7, 4);
  EXPECT_TRUE(kept.empty());
}

TEST(KeptLines, AnotherRunHasShownNothingOfIt) {
  KeptLines kept = with("abc");
  kept.on_shown(7, 0);
  give(kept);
  kept.on_shown(7, 2);
  kept.on_session_ended();
  kept.on_shown(8, 0);
  EXPECT_EQ(give(kept), "c");
  kept.on_shown(8, 1);
  EXPECT_TRUE(kept.empty());
}

TEST(KeptLines, AProgramThatSaysNothingOfLines) {
  KeptLines kept = with("ab");
  give(kept);
  kept.push("c");
  kept.on_all_confirmed();
  EXPECT_EQ(kept.size(), 1u);
  EXPECT_EQ(give(kept), "c");
  kept.on_session_ended();
  EXPECT_EQ(give(kept), "c");
}

TEST(KeptLines, ALieTakesNothingThatWasNotSent) {
  KeptLines kept = with("ab");
  kept.on_shown(7, 5);
  kept.on_shown(7, 1000);
  EXPECT_EQ(give(kept), "ab");
  kept.push("c");
  kept.on_shown(7, 100000);
  kept.on_shown(7, 3);
  EXPECT_EQ(give(kept), "c");
}

TEST(ChatWord, WrittenAndRead) {
  for (const ChatWord& word : {ChatWord{1, 0, 0}, ChatWord{0xfedcba9876543210, 2, 0xffffffffffff}})
    EXPECT_EQ(read_chat_word(write_chat_word(word)), word);
}

TEST(ChatWord, WhatIsNone) {
  for (const char* text :
       {"", "hello", "chat", "chat ", "chat 1", "chat 1 2", "chat 1 2 ", "chat 1 2 3 ",
        "chat 0 2 3", "chat 1 -2 3", "chat 10000000000000000 2 3", "chat 1  2 3", "chat 1 2 x"})
    EXPECT_FALSE(read_chat_word(text)) << text;
}

}  // namespace
