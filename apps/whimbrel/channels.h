// Which channels the commands talk on, unless --channel says otherwise. All commands of one version must agree.
#pragma once

inline constexpr int kChatChannel = 0;
inline constexpr int kStreamChannel = 1;
inline constexpr int kPingChannel = 2;
