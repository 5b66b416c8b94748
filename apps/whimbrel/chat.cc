// `whimbrel chat`: lines to users and from them.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "channels.h"
#include "commands.h"
#include "interrupt.h"
#include "line_input.h"
#include "node_options.h"
#include "peer_watch.h"
#include "ping_messages.h"
#include "text.h"

using namespace std::chrono_literals;
using whimbrel::ConnectionInfo;
using whimbrel::ConnectionState;
using whimbrel::Identity;
using whimbrel::ServerStatus;

namespace {

constexpr const char* kHelp = R"(  /who              who is in the chat, and over which path
  /accept NAME      let somebody in who asks
  /refuse NAME      or not
  /leave NAME       end the session with somebody
  /quit             end (as Ctrl-D does))";

class Chat {
 public:
  Chat(whimbrel::NetworkingMessages& net, const ChatOptions& options);
  // The exit code.
  int run();

 private:
  void on_request(const Identity& who);
  void on_failed(const ConnectionInfo& info);
  void join(const Identity& who);
  void leave(const Identity& who);
  void take_line(const std::string& line);
  void take_command(const std::string& line);
  void say_to(const Identity& who, std::string_view line);
  std::size_t show_messages();
  void notice_departures();
  void on_server(const ServerStatus& status);
  void show_users();
  void flush();

  whimbrel::NetworkingMessages& net_;
  Pump pump_;
  const ChatOptions& options_;
  LineInput input_;
  std::vector<Identity> users_;
  ServerStatus::State server_ = ServerStatus::State::kNone;
  bool server_was_online_ = false;
  bool quit_ = false;
  bool failed_ = false;
};

void tell(std::string_view line) {
  fmt::print("* {}\n", printable(line));
  std::fflush(stdout);
}

Chat::Chat(whimbrel::NetworkingMessages& net, const ChatOptions& options)
    : net_(net), pump_(net), options_(options) {
  net_.on_session_request([this](const Identity& who) { on_request(who); });
  net_.on_session_failed([this](const ConnectionInfo& info) { on_failed(info); });
  net_.on_server_status_changed([this](const ServerStatus& status) { on_server(status); });
  for (const std::string& user : options.users) users_.push_back(parse_user(user));
}

// Only what changes: the first words about it were said at the start.
void Chat::on_server(const ServerStatus& status) {
  using State = ServerStatus::State;
  if (status.state == server_) return;
  if (status.state == State::kRefused || (status.state == State::kConnecting && server_was_online_))
    tell("server: " + status.text);
  if (status.state == State::kOnline && server_was_online_) tell("server: online again");
  if (status.state == State::kOnline) server_was_online_ = true;
  server_ = status.state;
}

void Chat::join(const Identity& who) {
  if (std::find(users_.begin(), users_.end(), who) == users_.end()) users_.push_back(who);
}

void Chat::leave(const Identity& who) { std::erase(users_, who); }

void Chat::on_request(const Identity& who) {
  if (options_.accept.accepts(who)) {
    net_.accept_session_with_user(who);
    join(who);
    tell(fmt::format("{} joined", short_name(who)));
  } else if (options_.accept.given() || ::isatty(STDIN_FILENO) != 1) {
    net_.close_session_with_user(who);
    tell(fmt::format(
        "{} asked and was refused{}", short_name(who),
        options_.accept.given()
            ? std::string()
            : fmt::format(": --accept {} or --accept all lets them in", short_name(who))));
  } else {
    tell(fmt::format("{0} wants to talk: /accept {0} or /refuse {0}", short_name(who)));
  }
}

void Chat::on_failed(const ConnectionInfo& info) {
  failed_ = true;
  tell(fmt::format("{}: {}", short_name(info.identity), describe_end(info)));
  leave(info.identity);
}

void Chat::say_to(const Identity& who, std::string_view line) {
  while (true) {
    const auto result = net_.send_message_to_user(
        who, line, whimbrel::kSendReliable | whimbrel::kSendAutoRestartBrokenSession,
        options_.channel);
    if (result == whimbrel::Result::kOk) return;
    if (result != whimbrel::Result::kLimitExceeded || interrupted()) {
      failed_ = true;
      tell(fmt::format("can't send to {}: {}", short_name(who),
                       result == whimbrel::Result::kInvalidParam
                           ? "no address known; give --peer NAME=HOST:PORT"
                           : whimbrel::to_string(result)));
      return;
    }
    pump_.wait(100ms);
    pump_.found(show_messages());
  }
}

void Chat::take_command(const std::string& line) {
  const std::size_t space = line.find(' ');
  const std::string command = line.substr(0, space);
  const std::string name = space == std::string::npos ? "" : line.substr(space + 1);
  if (command == "/quit") {
    quit_ = true;
  } else if (command == "/who") {
    show_users();
  } else if (command == "/accept" && !name.empty()) {
    const Identity who = parse_user(name);
    const bool known = net_.accept_session_with_user(who);
    if (known) join(who);
    tell(known ? fmt::format("{} joined", name) : fmt::format("{} has not asked", name));
  } else if ((command == "/refuse" || command == "/leave") && !name.empty()) {
    const Identity who = parse_user(name);
    leave(who);
    tell(net_.close_session_with_user(who) ? "done" : fmt::format("no session with {}", name));
  } else {
    fmt::print("{}\n", kHelp);
  }
}

void Chat::take_line(const std::string& line) {
  if (!line.empty() && line.front() == '/') {
    try {
      take_command(line);
    } catch (const std::exception& error) {  // a name that is none
      tell(error.what());
    }
    return;
  }
  const std::vector<Identity> to = users_;  // a failure met on the way changes the list
  if (to.empty()) tell("nobody is here yet");
  for (const Identity& who : to) say_to(who, line);
}

std::size_t Chat::show_messages() {
  std::size_t shown = 0;
  for (const auto& message : net_.receive_messages_on_channel(options_.channel, 64)) {
    fmt::print("{}: {}\n", short_name(message.identity()), printable(message.text()));
    join(message.identity());
    ++shown;
  }
  if (shown > 0) std::fflush(stdout);
  return shown;
}

void Chat::notice_departures() {
  for (const Identity& who : std::vector<Identity>(users_)) {
    if (net_.get_session_connection_info(who, nullptr, nullptr) != ConnectionState::kClosedByPeer) {
      continue;
    }
    tell(fmt::format("{} left", short_name(who)));
    net_.close_session_with_user(who);
    leave(who);
  }
}

void Chat::show_users() {
  for (const Identity& who : users_) {
    ConnectionInfo info;
    const auto state = net_.get_session_connection_info(who, &info, nullptr);
    tell(state == ConnectionState::kNone ? fmt::format("{}: no session yet", short_name(who))
                                         : info.debug_description);
  }
  if (users_.empty()) tell("nobody");
}

// Waits until what was typed has arrived everywhere, or turned out not to.
void Chat::flush() {
  const auto pending = [this](const Identity& who) {
    whimbrel::ConnectionStatus status;
    const auto state = net_.get_session_connection_info(who, nullptr, &status);
    const bool alive = state == ConnectionState::kConnected ||
                       state == ConnectionState::kConnecting ||
                       state == ConnectionState::kFindingRoute;
    return alive && status.pending_reliable + status.sent_unacknowledged_reliable > 0;
  };
  while (!interrupted() && std::any_of(users_.begin(), users_.end(), pending)) {
    pump_.wait(20ms);
    pump_.found(show_messages());
  }
  net_.run_callbacks();
}

int Chat::run() {
  while (!quit_ && !interrupted() && !input_.ended()) {
    const bool news = input_.wait(net_.event_handle(), 500);
    const std::size_t done =
        net_.run_callbacks() + show_messages() + answer_pings(net_, kPingChannel);
    // Unread messages on a channel that nobody reads would make this loop spin.
    if (news && done == 0) std::this_thread::sleep_for(2ms);
    notice_departures();
    while (auto line = input_.next()) take_line(*line);
  }
  flush();
  return failed_ && ::isatty(STDIN_FILENO) != 1 ? 1 : 0;
}

}  // namespace

int chat_command(const ChatOptions& options) {
  auto net = open_node(options.node);
  if (::isatty(STDIN_FILENO) == 1) {
    tell(fmt::format("{} on UDP port {}; /help lists commands, Ctrl-D ends",
                     net->identity().valid() ? short_name(net->identity()) : "nameless",
                     bound_port(*net)));
  }
  return Chat(*net, options).run();
}
