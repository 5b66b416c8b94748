// The options that every command with a network has, and the node that they describe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <whimbrel/networking_messages.h>

#include "notes.h"

struct NodeOptions {
  std::string name;
  std::vector<std::string> listen;
  std::vector<std::string> peers;
  std::string server;
  std::string token;  // itself, or @ and the file that has it
  std::string key_file;
  std::string certificate_file;
  std::vector<std::string> authority_files;
  std::uint32_t app_id = 0;
  std::vector<std::string> settings;
  int verbosity = 0;
};

// Whose requests are accepted.
struct AcceptPolicy {
  // What holds when there are no names.
  enum class Fallback { kNobody, kEverybody };
  Fallback fallback = Fallback::kNobody;
  // "all" is everybody.
  std::vector<std::string> names;

  bool given() const { return !names.empty(); }
  bool accepts(const whimbrel::Identity& user) const;
};

// A user as people write one: "alice" is str:alice, "10.0.0.7:4000" and "localhost:4000" are ip:
// identities, anything else is an identity's text form. Throws UsageError.
whimbrel::Identity parse_user(const std::string& text);

// Throws UsageError for what the user wrote wrongly.
whimbrel::Config make_config(const NodeOptions& options);

// Throws Failure when the node can't be made.
std::unique_ptr<whimbrel::NetworkingMessages> open_node(const NodeOptions& options);

// With buffers that fill a fast line of 100 ms and more; what the user set himself stays.
NodeOptions for_transfers(NodeOptions options);

// The UDP port that a node listens on: of IPv4, or else of IPv6.
int bound_port(const whimbrel::NetworkingMessages& net);
