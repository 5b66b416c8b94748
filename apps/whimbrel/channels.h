// Which channels the commands talk on, unless --channel says otherwise. All commands of one version
// must agree.
#pragma once

inline constexpr int kChatChannel = 0;
inline constexpr int kStreamChannel = 1;
inline constexpr int kPingChannel = 2;
// Beside the lines of a chat (chat_words.h).
inline constexpr int kChatWordsChannel = 3;
