// `whimbrel demo-peer` (hidden): a peer that is driven by JSON lines on stdin and tells what
// happens as JSON lines on stdout. tools/demo and the tests hold two or more of them side by side.
//   {"do":"send","to":"bob","channel":0,"flags":8,"payload":"68656c6c6f"}   payload in hex
//   {"do":"accept","user":"bob"}   {"do":"close","user":"bob"}   {"do":"info","user":"bob"}
//   {"do":"server"}                how it stands with the server
//   {"do":"watch","user":"bob"}    whether a user is online, from now on; "on":false ends it
//   {"do":"channels","list":[0,1]} which channels are read (default 0 and 1)
//   {"do":"set","option":"FakePacketLossSend","value":5}   {"do":"quit"}
// Every command is answered by {"event":"done","do":...}; besides come "ready", "request",
// "failed", "presence", "message".
#include <fmt/core.h>

#include <deque>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "commands.h"
#include "interrupt.h"
#include "line_input.h"
#include "node_options.h"
#include "session_json.h"

using nlohmann::ordered_json;
using whimbrel::Identity;

namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  throw std::invalid_argument("payload: not lower-case hex");
}

std::vector<std::uint8_t> from_hex(const std::string& text) {
  std::vector<std::uint8_t> bytes(text.size() / 2);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
  }
  return bytes;
}

std::string to_hex(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

ordered_json server_json(const whimbrel::ServerStatus& status) {
  using State = whimbrel::ServerStatus::State;
  return {{"online", status.state == State::kOnline},
          {"refused", status.state == State::kRefused},
          {"relay", status.relay},
          {"relay_ping_ms", status.relay_ping_ms},
          {"site", status.site},
          {"text", status.text}};
}

class DemoPeer {
 public:
  explicit DemoPeer(whimbrel::NetworkingMessages& net);
  int run();

 private:
  struct Outgoing {
    Identity to;
    std::vector<std::uint8_t> payload;
    int flags;
    int channel;
  };

  void emit(const ordered_json& event);
  void take_line(const std::string& line);
  ordered_json execute(const ordered_json& command);
  void send_what_fits();
  void emit_messages();

  whimbrel::NetworkingMessages& net_;
  LineInput input_;
  std::deque<Outgoing> outgoing_;
  std::vector<int> channels_ = {0, 1};
  bool quit_ = false;
};

DemoPeer::DemoPeer(whimbrel::NetworkingMessages& net) : net_(net) {
  net_.on_session_request([this](const Identity& who) {
    emit({{"event", "request"}, {"user", who.text()}});
  });
  net_.on_session_failed([this](const whimbrel::ConnectionInfo& info) {
    emit({{"event", "failed"}, {"info", info_json(info)}});
  });
  net_.on_presence_changed([this](const Identity& who, bool online) {
    emit({{"event", "presence"}, {"user", who.text()}, {"online", online}});
  });
}

void DemoPeer::emit(const ordered_json& event) { fmt::print("{}\n", json_text(event)); }

// The answer's fields beside "event" and "do".
ordered_json DemoPeer::execute(const ordered_json& command) {
  const std::string what = command.at("do");
  const auto user = [&](const char* key) { return parse_user(command.at(key)); };
  if (what == "send") {
    outgoing_.push_back({user("to"), from_hex(command.at("payload")), command.value("flags", 8),
                         command.value("channel", 0)});
    return {{"queued", true}};
  }
  if (what == "accept") return {{"ok", net_.accept_session_with_user(user("user"))}};
  if (what == "close") return {{"ok", net_.close_session_with_user(user("user"))}};
  if (what == "info") return {{"info", session_json(net_, user("user"))}};
  if (what == "server") return {{"server", server_json(net_.get_server_status())}};
  if (what == "watch")
    return {{"result", whimbrel::to_string(net_.watch(user("user"), command.value("on", true)))}};
  if (what == "channels") {
    channels_ = command.at("list").get<std::vector<int>>();
    return {{"ok", true}};
  }
  if (what == "set") {
    std::string error;
    const std::string option = command.at("option");
    const bool ok = net_.set_option(option, command.at("value").get<std::int64_t>(), &error);
    return {{"ok", ok}, {"error", error}};
  }
  quit_ = what == "quit";
  return {{"ok", quit_}};
}

void DemoPeer::take_line(const std::string& line) {
  ordered_json answer = {{"event", "done"}};
  try {
    const auto command = ordered_json::parse(line);
    answer["do"] = command.at("do");
    answer.update(execute(command));
  } catch (const std::exception& error) {
    answer["error"] = error.what();
  }
  emit(answer);
}

void DemoPeer::send_what_fits() {
  while (!outgoing_.empty()) {
    const Outgoing& next = outgoing_.front();
    const auto result = net_.send_message_to_user(next.to, next.payload, next.flags, next.channel);
    if (result == whimbrel::Result::kLimitExceeded) return;
    if (result != whimbrel::Result::kOk) {
      emit({{"event", "send_failed"},
            {"result", whimbrel::to_string(result)},
            {"to", next.to.text()}});
    }
    outgoing_.pop_front();
  }
}

void DemoPeer::emit_messages() {
  for (int channel : channels_) {
    for (const auto& message : net_.receive_messages_on_channel(channel, 256)) {
      emit({{"event", "message"},
            {"user", message.identity().text()},
            {"channel", message.channel()},
            {"flags", message.flags()},
            {"number", message.message_number()},
            {"payload", to_hex(message.payload())}});
    }
  }
}

int DemoPeer::run() {
  emit({{"event", "ready"},
        {"identity", net_.identity().text()},
        {"port_v4", net_.port_v4()},
        {"port_v6", net_.port_v6()},
        {"public_key", net_.public_key_hex()}});
  std::fflush(stdout);
  while (!quit_ && !interrupted() && !input_.ended()) {
    // What waits for room must be tried again soon.
    input_.wait(net_.event_handle(), outgoing_.empty() ? 500 : 10);
    while (auto line = input_.next()) take_line(*line);
    send_what_fits();
    net_.run_callbacks();
    emit_messages();
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int demo_peer_command(const NodeOptions& options) {
  auto net = open_node(options);
  return DemoPeer(*net).run();
}
