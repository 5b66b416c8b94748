// `whimbrel chat`: lines to users and from them.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "channels.h"
#include "chat_peer.h"
#include "commands.h"
#include "interrupt.h"
#include "node_options.h"
#include "ping_messages.h"
#include "screen.h"
#include "text.h"

using namespace std::chrono_literals;
using whimbrel::ConnectionInfo;
using whimbrel::ConnectionState;
using whimbrel::Identity;
using whimbrel::ServerStatus;

namespace {

constexpr const char* kHelp = R"(  /who              who is in the chat, and over which path
  /accept NAME      let a user in who asks
  /refuse NAME      refuse a user who asks
  /leave NAME       end the session with a user
  /quit             end (as Ctrl-D does)
  //TEXT            sends /TEXT)";

// Who keeps asking is named once; after such a pause it is news again.
constexpr auto kAskedAgain = 30s;
// Users at a time, those included who have left. With a server each is watched:
// whimbrel::kWatchesMax.
constexpr std::size_t kPeersMax = whimbrel::kWatchesMax;
// Of what could not be delivered, for each user.
constexpr std::size_t kUndeliveredShown = 20;

using Clock = std::chrono::steady_clock;

class Chat {
 public:
  Chat(whimbrel::NetworkingMessages& net, const ChatOptions& options);
  // The exit code.
  int run();

 private:
  void on_request(const Identity& who);
  void on_changed(const Identity& who, ConnectionState state, const ConnectionInfo& info);
  void on_server(const ServerStatus& status);
  void on_online(const ServerStatus& status, bool changed);
  ChatPeer* find(const Identity& who);
  ChatPeer& find_or_add(const Identity& who, bool called);
  void let_in(const Identity& who);
  bool make_room();
  void forget(ChatPeer& peer);
  void say_good_bye(const Identity& who);
  void take_line(const std::string& line);
  void take_command(const std::string& line);
  void say(const std::string& line);
  std::size_t show_lines();
  std::size_t show_messages();
  void show_users();
  bool full() const;
  bool is_stuck() const;
  void step();
  void wait_for_delivery();
  void tell_undelivered(const std::string& name, const std::deque<std::string>& lines);
  void tell_all_undelivered();

  whimbrel::NetworkingMessages& net_;
  const ChatOptions& options_;
  Screen screen_;
  ChatPlace place_;
  std::vector<std::unique_ptr<ChatPeer>> peers_;
  std::deque<std::string> for_whoever_joins_;
  std::map<Identity, Clock::time_point> asked_;
  std::set<std::string> told_of_server_;  // since we were online last
  bool was_online_ = false;
  ServerStatus::State server_ = ServerStatus::State::kNone;
  const bool is_person_ = ::isatty(STDIN_FILENO) == 1;
  bool quit_ = false;
};

std::uint64_t random_run() {
  std::random_device random;
  return (std::uint64_t{random()} << 32 | random()) | 1;
}

Chat::Chat(whimbrel::NetworkingMessages& net, const ChatOptions& options)
    : net_(net),
      options_(options),
      place_{net,
             screen_,
             options.channel,
             options.channel == kChatWordsChannel ? kChatWordsChannel + 1 : kChatWordsChannel,
             random_run(),
             !options.node.server.empty()} {
  net_.on_session_request([this](const Identity& who) { on_request(who); });
  net_.on_session_changed([this](const Identity& who, ConnectionState state,
                                 const ConnectionInfo& info) { on_changed(who, state, info); });
  net_.on_server_status_changed([this](const ServerStatus& status) { on_server(status); });
  net_.on_presence_changed([this](const Identity& who, bool online) {
    ChatPeer* peer = find(who);
    if (online && peer != nullptr) peer->on_reachable();
  });
  if (is_person_) {
    screen_.tell(fmt::format("{} on UDP port {}; /help lists commands, Ctrl-D ends",
                             net.identity().valid() ? short_name(net.identity()) : "nameless",
                             bound_port(net)));
  }
  if (place_.has_server) {
    const std::string& server = options.node.server;
    screen_.tell("connecting to " + server.substr(0, server.find(',')));
    on_server(net.get_server_status());
  }
  for (const std::string& user : options.users) find_or_add(parse_user(user), true);
}

// --- who is here ---------------------------------------------------------------------------------

ChatPeer* Chat::find(const Identity& who) {
  for (const auto& peer : peers_) {
    if (peer->who() == who) return peer.get();
  }
  return nullptr;
}

ChatPeer& Chat::find_or_add(const Identity& who, bool called) {
  if (ChatPeer* known = find(who)) return *known;
  ChatPeer& peer = *peers_.emplace_back(std::make_unique<ChatPeer>(place_, who, called));
  for (std::string& line : for_whoever_joins_) peer.say(std::move(line));
  for_whoever_joins_.clear();
  return peer;
}

void Chat::let_in(const Identity& who) {
  asked_.erase(who);
  find_or_add(who, false).on_let_in();
}

void Chat::forget(ChatPeer& peer) {
  tell_undelivered(short_name(peer.who()), peer.kept().lines());
  std::erase_if(peers_, [&](const auto& one) { return one.get() == &peer; });
}

// For one more; in the place of the first who came and went.
bool Chat::make_room() {
  if (peers_.size() < kPeersMax) return true;
  for (const auto& peer : peers_) {
    if (peer->called() || peer->here()) continue;
    forget(*peer);
    return true;
  }
  return false;
}

void Chat::say_good_bye(const Identity& who) {
  ChatPeer* const peer = find(who);
  const bool known = net_.close_session_with_user(who);
  asked_.erase(who);
  if (!known && peer == nullptr)
    return screen_.tell(fmt::format("no session with {}", short_name(who)));
  screen_.tell(fmt::format("no longer with {}", short_name(who)));
  if (peer != nullptr) forget(*peer);
}

void Chat::on_request(const Identity& who) {
  const ChatPeer* peer = find(who);
  const std::string name = short_name(who);
  if (options_.accept.accepts(who) || (peer != nullptr && peer->called())) {
    if (peer == nullptr && !make_room()) {
      net_.close_session_with_user(who);
      return screen_.tell(
          fmt::format("{} asked and was refused: there are {} users here", name, kPeersMax));
    }
    net_.accept_session_with_user(who);
    return let_in(who);
  }
  if (options_.accept.given() || !is_person_) {
    net_.close_session_with_user(who);
    return screen_.tell(fmt::format(
        "{} asked and was refused{}", name,
        options_.accept.given() ? std::string()
                                : fmt::format(": --accept {} or --accept all lets them in", name)));
  }
  const auto now = Clock::now();
  const auto asked = asked_.find(who);
  if (asked == asked_.end() || now - asked->second > kAskedAgain)
    screen_.tell(fmt::format("{0} wants to talk: /accept {0} or /refuse {0}", name));
  std::erase_if(asked_, [&](const auto& one) { return now - one.second > kAskedAgain; });
  asked_[who] = now;
}

void Chat::on_changed(const Identity& who, ConnectionState state, const ConnectionInfo& info) {
  ChatPeer* peer = find(who);
  if (peer == nullptr) peer = find(info.alias);
  if (peer != nullptr) peer->on_session_changed(state, info);
}

// --- the server ----------------------------------------------------------------------------------

// A text that says more than the name: of a relay that carries nothing, of a server that is about
// to stop.
void Chat::on_online(const ServerStatus& status, bool changed) {
  if (changed) told_of_server_.clear();
  const bool named = status.text.starts_with("online as ");
  const std::size_t fault = status.text.find("; ");
  const std::string more = fault == std::string::npos ? "" : status.text.substr(fault);
  const bool is_news = told_of_server_.insert(status.text).second;
  if (!changed && named && more.empty()) return;
  if (!changed && !is_news) return;
  if (!named) return screen_.tell("server: " + status.text);
  screen_.tell(fmt::format("online as {}{}{}", short_name(net_.identity()),
                           was_online_ && changed ? " again" : "", more));
  was_online_ = true;
  if (!changed) return;
  for (const auto& peer : peers_) peer->on_reachable();
}

// Each text once until we are online again: several addresses may be tried by turns.
void Chat::on_server(const ServerStatus& status) {
  using State = ServerStatus::State;
  const bool changed = status.state != server_;
  server_ = status.state;
  if (status.state == State::kOnline) return on_online(status, changed);
  if (status.text == "connecting" || !told_of_server_.insert(status.text).second) return;
  if (status.state == State::kRefused) place_.failed = true;
  screen_.tell(fmt::format("server: {}{}", status.text,
                           status.state == State::kConnecting ? "; trying again" : ""));
}

// --- what is typed -------------------------------------------------------------------------------

void Chat::take_command(const std::string& line) {
  const std::size_t space = line.find(' ');
  const std::string command = line.substr(0, space);
  const std::string name = space == std::string::npos ? "" : line.substr(space + 1);
  const bool names_somebody = command == "/accept" || command == "/refuse" || command == "/leave";
  if (names_somebody && name.empty()) {
    screen_.tell(fmt::format("{0} whom? Write {0} NAME", command));
  } else if (command == "/quit") {
    quit_ = true;
  } else if (command == "/who") {
    show_users();
  } else if (command == "/help") {
    screen_.print(kHelp);
  } else if (command == "/accept") {
    const Identity who = parse_user(name);
    if (!net_.accept_session_with_user(who))
      return screen_.tell(fmt::format("{} does not ask, or has stopped asking", name));
    let_in(who);
  } else if (names_somebody) {
    say_good_bye(parse_user(name));
  } else {
    screen_.tell(fmt::format(
        "there is no {}: /who, /accept, /refuse, /leave, /quit and /help are what there is; //{} "
        "sends it as a line",
        command, line.substr(1)));
  }
}

void Chat::take_line(const std::string& line) {
  if (line.empty() || line.front() != '/') return say(line);
  if (line.starts_with("//")) return say(line.substr(1));
  try {
    take_command(line);
  } catch (const std::exception& error) {  // a name that is none
    screen_.tell(error.what());
  }
}

void Chat::say(const std::string& line) {
  if (full()) {  // only a person comes here then
    return screen_.tell(fmt::format(
        "not taken: {} lines wait to be delivered already; wait, or /leave whoever is away",
        KeptLines::kLinesMax));
  }
  for (const auto& peer : peers_) peer->say(line);
  if (!peers_.empty()) return;
  if (for_whoever_joins_.empty())
    screen_.tell("nobody is here yet: what you type is kept for whoever joins first");
  for_whoever_joins_.push_back(line);
}

// --- what comes ----------------------------------------------------------------------------------

std::size_t Chat::show_lines() {
  std::size_t shown = 0;
  while (true) {
    const auto messages = net_.receive_messages_on_channel(options_.channel, 64);
    if (messages.empty()) return shown;
    for (const auto& message : messages) {
      screen_.print(
          fmt::format("{}: {}", short_name(message.identity()), printable(message.text())));
      find_or_add(message.identity(), false).on_line();
    }
    shown += messages.size();
  }
}

// A word that begins a session comes before the lines of that session, and behind those of the one
// before.
std::size_t Chat::show_messages() {
  const auto words = net_.receive_messages_on_channel(place_.words_channel, 64);
  const std::size_t shown = show_lines();
  for (const auto& message : words) {
    const auto word = read_chat_word(message.text());
    ChatPeer* peer = word ? find(message.identity()) : nullptr;
    if (peer != nullptr) peer->on_word(*word);
  }
  return words.size() + shown;
}

void Chat::show_users() {
  for (const auto& peer : peers_) {
    ConnectionInfo info;
    net_.get_session_connection_info(peer->who(), &info, nullptr);
    screen_.tell(peer->here() ? info.debug_description
                              : fmt::format("{} is not here", short_name(peer->who())));
  }
  if (peers_.empty()) screen_.tell("nobody");
}

// --- the course of it ----------------------------------------------------------------------------

bool Chat::full() const {
  return for_whoever_joins_.size() >= KeptLines::kLinesMax ||
         std::any_of(peers_.begin(), peers_.end(), [](const auto& peer) { return peer->full(); });
}

// Nothing more is read of a pipe, and whom it is for cannot be reached.
bool Chat::is_stuck() const {
  return !is_person_ && std::any_of(peers_.begin(), peers_.end(), [](const auto& peer) {
    return peer->full() && peer->failed();
  });
}

void Chat::step() {
  const bool restless =
      std::any_of(peers_.begin(), peers_.end(), [](const auto& peer) { return peer->restless(); });
  const bool news = screen_.wait(net_.event_handle(), restless ? 50 : 500, !is_person_ && full());
  const std::size_t done =
      net_.run_callbacks() + show_messages() + answer_pings(net_, kPingChannel);
  // Unread messages on a channel that nobody reads would make this loop spin.
  if (news && done == 0) std::this_thread::sleep_for(2ms);
  const auto now = Clock::now();
  for (const auto& peer : peers_) peer->advance(now);
}

// Until what was typed has arrived everywhere, or turned out not to.
void Chat::wait_for_delivery() {
  place_.ending = true;
  for (const auto& peer : peers_) peer->on_ending();
  const auto hopeful = [this] {
    return std::any_of(peers_.begin(), peers_.end(),
                       [](const auto& peer) { return peer->hopeful(); });
  };
  const auto patience = Clock::now() + 1s;
  bool told = false;
  while (!interrupted() && hopeful()) {
    step();
    if (told || Clock::now() < patience || !hopeful()) continue;
    told = true;
    screen_.tell("not everything that was typed has arrived yet; Ctrl-C ends at once");
  }
}

void Chat::tell_undelivered(const std::string& name, const std::deque<std::string>& lines) {
  if (!lines.empty()) place_.failed = true;
  for (std::size_t i = 0; i < std::min(lines.size(), kUndeliveredShown); ++i)
    screen_.tell(fmt::format("not delivered to {}: {}", name, lines[i]));
  if (lines.size() > kUndeliveredShown) {
    screen_.tell(fmt::format("not delivered to {}: {} lines more{}", name,
                             lines.size() - kUndeliveredShown,
                             is_stuck() ? ", and what was not read any more" : ""));
  }
}

void Chat::tell_all_undelivered() {
  tell_undelivered("anybody", for_whoever_joins_);
  for (const auto& peer : peers_) tell_undelivered(short_name(peer->who()), peer->kept().lines());
}

int Chat::run() {
  while (!quit_ && !interrupted() && !screen_.ended() && !is_stuck()) {
    step();
    while (!quit_ && (is_person_ || !full())) {
      const auto line = screen_.next();
      if (!line) break;
      take_line(*line);
    }
  }
  screen_.end_input();
  wait_for_delivery();
  net_.run_callbacks();
  tell_all_undelivered();
  const bool failed = place_.failed || std::any_of(peers_.begin(), peers_.end(),
                                                   [](const auto& peer) { return peer->failed(); });
  return failed && !is_person_ ? 1 : 0;
}

}  // namespace

int chat_command(const ChatOptions& options) {
  NodeOptions node = options.node;
  // A pause in the talk is no end of it; what the user says comes later, and counts.
  node.settings.insert(node.settings.begin(), "IdleTimeout=86400000");
  auto net = open_node(node);
  return Chat(*net, options).run();
}
