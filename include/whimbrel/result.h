// The numbers that calls answer with. They are fixed, and are those of the Steamworks headers:
// programs store and compare them.
#pragma once

#include <string_view>

namespace whimbrel {

enum class Result : int {
  kOk = 1,
  kFail = 2,  // in a child process, after fork()
  // The session failed, or the peer closed it: close it here, or send with
  // kSendAutoRestartBrokenSession.
  kNoConnection = 3,
  kInvalidParam = 8,    // an argument is wrong; nothing was done
  kInvalidState = 11,   // no call answers it in this version
  kLimitExceeded = 25,  // nothing was queued; try again when wait() returns
  kConnectFailed = 35,  // no call answers it in this version
  kIgnored = 41,        // kSendNoDelay was given, and the message cannot leave soon: it was dropped
};

// "Ok", "LimitExceeded", ...; "?" for any other number.
std::string_view to_string(Result result);

}  // namespace whimbrel
