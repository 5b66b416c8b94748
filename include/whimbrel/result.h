// The numbers that calls answer with. They are fixed: programs store and compare them.
#pragma once

#include <string_view>

namespace whimbrel {

enum class Result : int {
  kOk = 1,
  kFail = 2,
  // The session failed or was closed by the peer: close it, or send with
  // kSendAutoRestartBrokenSession.
  kNoConnection = 3,
  kInvalidParam = 8,  // nothing was created
  kInvalidState = 11,
  kLimitExceeded = 25,  // nothing was queued; try again when the queue has drained
  kConnectFailed = 35,
  kIgnored = 41,  // kSendNoDelay, and it could not leave at once: dropped
};

// "Ok", "LimitExceeded", ...; "?" for any other number.
std::string_view to_string(Result result);

}  // namespace whimbrel
