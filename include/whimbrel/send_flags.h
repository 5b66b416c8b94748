// How a message is sent: the sum of these bits, which are those of the Steamworks headers. Any
// other bit is refused with Result::kInvalidParam.
#pragma once

namespace whimbrel {

// The message may be lost. It is never corrupted, and never delivered twice.
inline constexpr int kSendUnreliable = 0;
// It does not wait for other small messages that fit into its packet.
inline constexpr int kSendNoNagle = 1;
// It is dropped (Result::kIgnored) if it cannot leave within 200 ms: because nothing gets through,
// or because too much leaves before it. Of what waits on other channels only their turns count. It
// is also dropped while there is no session yet, or the peer has not accepted; the session is made
// all the same.
inline constexpr int kSendNoDelay = 4;
// It arrives exactly once, and in order on its channel.
inline constexpr int kSendReliable = 8;
// The calling thread tries to put it on the wire itself.
inline constexpr int kSendUseCurrentThread = 16;
// If the session failed, or the peer closed it, that is forgotten and a new session is made. A game
// may send with this flag in every tick, also to members who are offline. After a dial that failed
// the next one waits: 250 ms, doubled each time, up to 5 s. A send until then answers
// Result::kNoConnection, without a dial and without a callback. close_session_with_user() lets the
// next send dial at once.
inline constexpr int kSendAutoRestartBrokenSession = 32;

inline constexpr int kSendFlagsAll = 1 | 4 | 8 | 16 | 32;

}  // namespace whimbrel
