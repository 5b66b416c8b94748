// How a message is sent: the sum of these bits. Any other bit is refused with
// Result::kInvalidParam.
#pragma once

namespace whimbrel {

// May be lost; never corrupted, never delivered twice.
inline constexpr int kSendUnreliable = 0;
// Skip the delay that gathers small messages into one packet.
inline constexpr int kSendNoNagle = 1;
// Drop it (Result::kIgnored) if it cannot leave now, that is within 200 ms: nothing comes through,
// or so much leaves before it. Nor while there is no session yet, or the peer has not accepted: it
// is dropped, and the session is made all the same. What waits on other channels does not count,
// but for their turns.
inline constexpr int kSendNoDelay = 4;
// Exactly once, and in order on its channel.
inline constexpr int kSendReliable = 8;
// Try to put it on the wire on the calling thread.
inline constexpr int kSendUseCurrentThread = 16;
// If the session failed or was closed by the peer, forget that and start a new one. For games: send
// every tick with this flag, to members who are offline too. After a dial that failed the next one
// waits (250 ms, doubled each time up to 5 s); a send until then answers Result::kNoConnection,
// without a dial and without a callback. close_session_with_user() lets the next send dial at once.
inline constexpr int kSendAutoRestartBrokenSession = 32;

inline constexpr int kSendFlagsAll = 1 | 4 | 8 | 16 | 32;

}  // namespace whimbrel
