// Texts for the numbers of the public API.
#include <whimbrel/connection_info.h>
#include <whimbrel/result.h>
#include <whimbrel/version.h>

namespace whimbrel {

#define WHIMBREL_TEXT(number) #number
#define WHIMBREL_VERSION_TEXT(major, minor, patch) \
  WHIMBREL_TEXT(major) "." WHIMBREL_TEXT(minor) "." WHIMBREL_TEXT(patch)

const char* version() {
  return WHIMBREL_VERSION_TEXT(WHIMBREL_VERSION_MAJOR, WHIMBREL_VERSION_MINOR,
                               WHIMBREL_VERSION_PATCH);
}

std::string_view to_string(Result result) {
  switch (result) {
    case Result::kOk:
      return "Ok";
    case Result::kFail:
      return "Fail";
    case Result::kNoConnection:
      return "NoConnection";
    case Result::kInvalidParam:
      return "InvalidParam";
    case Result::kInvalidState:
      return "InvalidState";
    case Result::kLimitExceeded:
      return "LimitExceeded";
    case Result::kConnectFailed:
      return "ConnectFailed";
    case Result::kIgnored:
      return "Ignored";
  }
  return "?";
}

std::string_view to_string(ConnectionState state) {
  switch (state) {
    case ConnectionState::kNone:
      return "None";
    case ConnectionState::kConnecting:
      return "Connecting";
    case ConnectionState::kFindingRoute:
      return "FindingRoute";
    case ConnectionState::kConnected:
      return "Connected";
    case ConnectionState::kClosedByPeer:
      return "ClosedByPeer";
    case ConnectionState::kProblemDetectedLocally:
      return "ProblemDetectedLocally";
  }
  return "?";
}

}  // namespace whimbrel
