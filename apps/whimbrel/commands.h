// The commands: what each can be told, and what runs it. command_line.cc fills these in from the
// command line; each command stands in a file of its name and returns the exit code. All may throw
// Failure and UsageError.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "channels.h"
#include "node_options.h"

struct ChatOptions {
  NodeOptions node;
  AcceptPolicy accept;
  std::vector<std::string> users;
  int channel = kChatChannel;
};
int chat_command(const ChatOptions& options);

struct SendOptions {
  NodeOptions node;
  std::string to;
  int channel = kStreamChannel;
  bool quiet = false;
};
int send_command(const SendOptions& options);

struct RecvOptions {
  NodeOptions node;
  AcceptPolicy accept{AcceptPolicy::Fallback::kEverybody, {}};
  int channel = kStreamChannel;
  int timeout_s = 0;  // 0: for ever
  bool quiet = false;
};
int recv_command(const RecvOptions& options);

struct PingOptions {
  NodeOptions node;
  AcceptPolicy accept{AcceptPolicy::Fallback::kEverybody, {}};
  std::string to;
  int channel = kPingChannel;
  std::uint64_t count = 10;  // 0: until Ctrl-C
  double interval_s = 0.2;
  double patience_s = 2;  // for the last answers
  std::size_t bytes = 56;
  bool reliable = false;
  bool answer = false;
  bool json = false;
};
int ping_command(const PingOptions& options);

struct InfoOptions {
  NodeOptions node;
  std::string to;
  int channel = kPingChannel;
  double interval_s = 1;
  std::uint64_t count = 0;  // with watch; 0: until Ctrl-C
  bool watch = false;
  bool json = false;
  bool counters = false;
};
int info_command(const InfoOptions& options);

struct LobbyListOptions {
  NodeOptions node;
  std::vector<std::string> filters;
  int free = 0;  // places, at least
  bool json = false;
};
int lobby_list_command(const LobbyListOptions& options);

struct LobbyCreateOptions {
  NodeOptions node;
  std::vector<std::string> data;
  std::size_t members_max = 8;
  bool is_private = false;
};
int lobby_create_command(const LobbyCreateOptions& options);

struct LobbyJoinOptions {
  NodeOptions node;
  std::string lobby;
};
int lobby_join_command(const LobbyJoinOptions& options);

struct KeyOptions {
  std::string file;
  bool show = false;
};
int key_command(const KeyOptions& options);

int new_authority_command(const std::string& path);

struct IssueOptions {
  std::string authority;
  std::string name;
  std::string key;  // 64 hex digits, or a file
  std::string out;
  std::uint32_t app_id = 0;
  int days = 30;
};
int issue_command(const IssueOptions& options);

struct ShowOptions {
  std::string file;
  std::vector<std::string> authorities;
  bool json = false;
};
int show_command(const ShowOptions& options);

int options_command();
int demo_peer_command(const NodeOptions& options);
