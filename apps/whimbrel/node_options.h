// The options that every command with a network has, and the node that they describe.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <whimbrel/networking_messages.h>

struct NodeOptions {
  std::string name;
  std::vector<std::string> listen;
  std::vector<std::string> peers;
  std::string key_file;
  std::string certificate_file;
  std::vector<std::string> authority_files;
  std::uint32_t app_id = 0;
  std::vector<std::string> settings;
  int verbosity = 0;
};

void add_node_options(CLI::App& command, NodeOptions& options);

// --accept all|NAME...: whose requests are accepted.
class AcceptPolicy {
 public:
  // `fallback` is the policy when the option is not given.
  enum class Fallback { kNobody, kEverybody };
  void add_to(CLI::App& command, Fallback fallback);

  bool given() const { return !names_.empty(); }
  bool accepts(const whimbrel::Identity& user) const;

 private:
  Fallback fallback_ = Fallback::kNobody;
  std::vector<std::string> names_;
};

// A user as people write one: "alice" is str:alice, "10.0.0.7:4000" and "localhost:4000" are ip: identities, anything
// else is an identity's text form. Throws UsageError.
whimbrel::Identity parse_user(const std::string& text);

// Throws UsageError for what the user wrote wrongly.
whimbrel::Config make_config(const NodeOptions& options);

// Throws Failure when the node can't be made.
std::unique_ptr<whimbrel::NetworkingMessages> open_node(const NodeOptions& options);

// A line on stderr.
void note(std::string_view line);
