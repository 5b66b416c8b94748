// Texts for the numbers of the public API.
#include <whimbrel/config.h>
#include <whimbrel/connection_info.h>
#include <whimbrel/identity.h>
#include <whimbrel/lobbies.h>
#include <whimbrel/networking_messages.h>
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

std::string_view to_string(EndReason reason) {
  switch (reason) {
    case kEndNone:
      return "None";
    case kEndAppGeneric:
      return "AppGeneric";
    case kEndSessionClosed:
      return "SessionClosed";
    case kEndSessionIdle:
      return "SessionIdle";
    case kEndAppException:
      return "AppException";
    case kEndRemoteTimeout:
      return "RemoteTimeout";
    case kEndRemoteBadCrypt:
      return "RemoteBadCrypt";
    case kEndRemoteBadCert:
      return "RemoteBadCert";
    case kEndRemoteBadVersion:
      return "RemoteBadVersion";
    case kEndRemoteElsewhere:
      return "RemoteElsewhere";
    case kEndMiscGeneric:
      return "MiscGeneric";
    case kEndMiscInternalError:
      return "MiscInternalError";
    case kEndMiscTimeout:
      return "MiscTimeout";
    case kEndMiscRendezvous:
      return "MiscUserNotFound";
    case kEndMiscNatFirewall:
      return "MiscNatFirewall";
    case kEndMiscPeerSentNoConnection:
      return "MiscPeerSentNoConnection";
  }
  const int number = reason;
  return number >= 1000 && number < 3000 ? "App" : "?";
}

std::string_view to_string(ServerStatus::State state) {
  switch (state) {
    case ServerStatus::State::kNone:
      return "None";
    case ServerStatus::State::kConnecting:
      return "Connecting";
    case ServerStatus::State::kOnline:
      return "Online";
    case ServerStatus::State::kRefused:
      return "Refused";
  }
  return "?";
}

std::string_view to_string(IdentityType type) {
  switch (type) {
    case IdentityType::kInvalid:
      return "Invalid";
    case IdentityType::kIpAddress:
      return "IpAddress";
    case IdentityType::kGenericString:
      return "GenericString";
    case IdentityType::kGenericBytes:
      return "GenericBytes";
    case IdentityType::kUnknown:
      return "Unknown";
    case IdentityType::kSteamId:
      return "SteamId";
    case IdentityType::kXboxPairwise:
      return "XboxPairwise";
    case IdentityType::kSonyPsn:
      return "SonyPsn";
  }
  return "?";
}

std::string_view to_string(DebugLevel level) {
  switch (level) {
    case DebugLevel::kError:
      return "Error";
    case DebugLevel::kWarning:
      return "Warning";
    case DebugLevel::kInfo:
      return "Info";
    case DebugLevel::kDebug:
      return "Debug";
  }
  return "?";
}

std::string_view to_string(Option option) {
  for (const OptionInfo& info : all_options()) {
    if (info.option == option) return info.name;
  }
  return "?";
}

// --- lobbies ------------------------------------------------------------------------------------

std::string_view to_string(LobbyKind kind) {
  switch (kind) {
    case LobbyKind::kPublic:
      return "Public";
    case LobbyKind::kPrivate:
      return "Private";
    case LobbyKind::kInvisible:
      return "Invisible";
  }
  return "?";
}

std::string_view to_string(LobbyResult result) {
  switch (result) {
    case LobbyResult::kOk:
      return "ok";
    case LobbyResult::kNoSuchLobby:
      return "no such lobby";
    case LobbyResult::kFull:
      return "the lobby is full";
    case LobbyResult::kNotJoinable:
      return "the lobby lets nobody in now";
    case LobbyResult::kNotMember:
      return "not a member";
    case LobbyResult::kNotOwner:
      return "only the owner may";
    case LobbyResult::kTooMuch:
      return "over a limit";
    case LobbyResult::kTooOften:
      return "too many requests: slow down";
    case LobbyResult::kNotLoggedIn:
      return "log in first";
    case LobbyResult::kUnsupported:
      return "this server has no lobbies";
    case LobbyResult::kTimeout:
      return "no answer came";
    case LobbyResult::kOffline:
      return "not connected to the server";
    case LobbyResult::kKicked:
      return "its owner has sent you away";
  }
  return "?";
}

std::string_view to_string(LobbyLeaveWhy why) {
  switch (why) {
    case LobbyLeaveWhy::kLeft:
      return "Left";
    case LobbyLeaveWhy::kKicked:
      return "Kicked";
    case LobbyLeaveWhy::kDisconnected:
      return "Disconnected";
  }
  return "?";
}

std::string_view to_string(LobbyFilter::Compare compare) {
  switch (compare) {
    case LobbyFilter::Compare::kTextEqual:
      return "TextEqual";
    case LobbyFilter::Compare::kTextNotEqual:
      return "TextNotEqual";
    case LobbyFilter::Compare::kEqual:
      return "Equal";
    case LobbyFilter::Compare::kNotEqual:
      return "NotEqual";
    case LobbyFilter::Compare::kLess:
      return "Less";
    case LobbyFilter::Compare::kLessOrEqual:
      return "LessOrEqual";
    case LobbyFilter::Compare::kGreater:
      return "Greater";
    case LobbyFilter::Compare::kGreaterOrEqual:
      return "GreaterOrEqual";
  }
  return "?";
}

std::string_view to_string(LobbyEvent::Kind kind) {
  switch (kind) {
    case LobbyEvent::Kind::kMemberJoined:
      return "MemberJoined";
    case LobbyEvent::Kind::kMemberLeft:
      return "MemberLeft";
    case LobbyEvent::Kind::kDataChanged:
      return "DataChanged";
    case LobbyEvent::Kind::kMemberDataChanged:
      return "MemberDataChanged";
    case LobbyEvent::Kind::kChat:
      return "Chat";
    case LobbyEvent::Kind::kConfigured:
      return "Configured";
    case LobbyEvent::Kind::kReturned:
      return "Returned";
    case LobbyEvent::Kind::kLost:
      return "Lost";
  }
  return "?";
}

}  // namespace whimbrel
