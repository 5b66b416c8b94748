// `whimbrel lobby`: rooms of a server, from outside (list) and from inside (create, join).
#include <fmt/core.h>
#include <unistd.h>
#include <whimbrel/lobbies.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "commands.h"
#include "failure.h"
#include "interrupt.h"
#include "pump.h"
#include "screen.h"
#include "session_json.h"
#include "text.h"

using namespace std::chrono_literals;
using whimbrel::Lobby;
using whimbrel::LobbyEvent;
using whimbrel::LobbyFilter;
using whimbrel::LobbyId;
using whimbrel::LobbyListing;
using whimbrel::LobbyResult;

namespace {

constexpr const char* kHelp = R"(  /who                who is in the lobby, and its data
  /set KEY VALUE      change its data (the owner)
  /kick NAME          send a member away for good (the owner)
  /owner NAME         make another member the owner (the owner)
  /shut, /open        let nobody join, or everybody (the owner)
  /quit               leave (as Ctrl-D does)
  //TEXT              sends /TEXT)";

// With what they need; without it they show how they are used.
constexpr std::array<std::string_view, 6> kCommands = {"/help",  "/set",  "/kick",
                                                       "/owner", "/shut", "/open"};

// KEY=VALUE, as two.
std::pair<std::string, std::string> parse_datum(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    throw UsageError(fmt::format("--data {}: write KEY=VALUE, like map=dunes", text));
  return {text.substr(0, equals), text.substr(equals + 1)};
}

struct Operator {
  const char* sign;
  LobbyFilter::Compare compare;
};
using Compare = LobbyFilter::Compare;
// Of two that begin alike the longer one comes first.
constexpr std::array<Operator, 6> kOperators = {{{"!=", Compare::kTextNotEqual},
                                                 {">=", Compare::kGreaterOrEqual},
                                                 {"<=", Compare::kLessOrEqual},
                                                 {"=", Compare::kTextEqual},
                                                 {">", Compare::kGreater},
                                                 {"<", Compare::kLess}}};

LobbyFilter parse_filter(const std::string& text) {
  const std::size_t at = text.find_first_of("!><=");
  for (const Operator& one : kOperators) {
    if (at == std::string::npos || at == 0 ||
        text.compare(at, std::strlen(one.sign), one.sign) != 0)
      continue;
    LobbyFilter filter{text.substr(0, at), one.compare, text.substr(at + std::strlen(one.sign)), 0};
    if (one.compare == Compare::kTextEqual || one.compare == Compare::kTextNotEqual) return filter;
    const char* const begin = filter.text.data();
    const char* const end = begin + filter.text.size();
    const auto [stopped, error] = std::from_chars(begin, end, filter.number);
    if (error != std::errc() || stopped != end || filter.text.empty())
      throw UsageError(fmt::format("--filter {}: \"{}\" compares whole numbers", text, one.sign));
    filter.text.clear();
    return filter;
  }
  throw UsageError(
      fmt::format("--filter {}: write KEY=VALUE, KEY!=VALUE, KEY>=NUMBER and so on", text));
}

LobbyId parse_id(const std::string& text) {
  const auto id = whimbrel::parse_lobby_id(text);
  if (!id)
    throw UsageError(
        fmt::format("\"{}\" is no lobby: \"whimbrel lobby list\" shows their numbers", text));
  return *id;
}

// Makes a call, and waits for its answer.
template <typename Call>
void ask(whimbrel::NetworkingMessages& net, Pump& pump, std::string_view what, Call call) {
  std::optional<LobbyResult> result;
  call([&result](LobbyResult given) { result = given; });
  while (!result && !interrupted()) pump.wait(100ms);
  if (!result) throw Failure("interrupted");
  if (*result == LobbyResult::kOk) return;
  const std::string why = net.get_server_status().text;
  throw Failure(fmt::format("can't {}: {}{}", what, whimbrel::to_string(*result),
                            *result == LobbyResult::kOffline ? fmt::format(" ({})", why) : ""));
}

std::string data_text(const std::map<std::string, std::string>& data) {
  std::string text;
  for (const auto& [key, value] : data)
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", key, value);
  return text;
}

std::unique_ptr<whimbrel::NetworkingMessages> open_with_server(const NodeOptions& options) {
  if (options.server.empty()) throw UsageError("lobbies are on a server: say --server HOST:PORT");
  return open_node(options);
}

// --- from outside --------------------------------------------------------------------------------

void print_json(const std::vector<LobbyListing>& lobbies) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const LobbyListing& one : lobbies) {
    all.push_back({{"id", to_string(one.id)},
                   {"members", one.member_count},
                   {"members_max", one.members_max},
                   {"data", one.data}});
  }
  fmt::print("{}\n", json_text(all, 2));
}

void print_table(const std::vector<LobbyListing>& lobbies) {
  if (lobbies.empty()) return fmt::print("* no lobby\n");
  fmt::print("{:<20} {:>7}  {}\n", "LOBBY", "MEMBERS", "DATA");
  for (const LobbyListing& one : lobbies) {
    fmt::print("{:<20} {:>3}/{:<3}  {}\n", to_string(one.id), one.member_count, one.members_max,
               printable(data_text(one.data)));
  }
}

// --- from inside ---------------------------------------------------------------------------------

class Room {
 public:
  Room(whimbrel::NetworkingMessages& net, Pump& pump) : net_(net), pump_(pump) {
    net_.lobbies().on_event([this](const LobbyEvent& event) { on_event(event); });
  }
  void entered(const Lobby& lobby);
  // The exit code.
  int run();

 private:
  void on_event(const LobbyEvent& event);
  void on_configured(const LobbyEvent& event);
  void take_line(const std::string& line);
  void take_command(const std::string& line);
  void tell(std::string_view line) { screen_.tell(line); }
  void show();
  whimbrel::Lobbies::Done report();

  whimbrel::NetworkingMessages& net_;
  Pump& pump_;
  Screen screen_;
  LobbyId id_{};
  whimbrel::Identity owner_;
  bool quit_ = false, lost_ = false;
};

void Room::entered(const Lobby& lobby) {
  id_ = lobby.id;
  owner_ = lobby.owner;
  tell(fmt::format("in lobby {}", to_string(lobby.id)));
}

void Room::show() {
  const auto lobby = net_.lobbies().find(id_);
  if (!lobby) return tell("the lobby is gone");
  for (const Lobby::Member& member : lobby->members) {
    tell(fmt::format("{}{}{}{}", short_name(member.identity),
                     member.identity == lobby->owner ? " (owner)" : "",
                     member.data.empty() ? "" : " ", data_text(member.data)));
  }
  tell(fmt::format("{} of {} places, {}{}{}", lobby->members.size(), lobby->members_max,
                   lobby->joinable ? "open" : "shut", lobby->data.empty() ? "" : ", ",
                   data_text(lobby->data)));
}

void Room::on_configured(const LobbyEvent& event) {
  const auto lobby = net_.lobbies().find(event.lobby);
  if (!lobby) return;
  if (lobby->owner != owner_) tell(fmt::format("{} is the owner now", short_name(lobby->owner)));
  owner_ = lobby->owner;
}

void Room::on_event(const LobbyEvent& event) {
  using Kind = LobbyEvent::Kind;
  using whimbrel::LobbyLeaveWhy;
  const std::string who = short_name(event.user);
  switch (event.kind) {
    case Kind::kMemberJoined:
      return tell(fmt::format("{} came", who));
    case Kind::kMemberLeft:
      return tell(fmt::format("{} {}", who,
                              event.why == LobbyLeaveWhy::kKicked         ? "was sent away"
                              : event.why == LobbyLeaveWhy::kDisconnected ? "was lost"
                                                                          : "left"));
    case Kind::kDataChanged:
      return tell(event.removed ? event.key + " is gone"
                                : fmt::format("{} = {}", event.key, event.text()));
    case Kind::kMemberDataChanged:
      return tell(event.removed ? fmt::format("{}: {} is gone", who, event.key)
                                : fmt::format("{}: {} = {}", who, event.key, event.text()));
    case Kind::kChat:
      return screen_.print(fmt::format("{}: {}", who, printable(event.text())));
    case Kind::kConfigured:
      return on_configured(event);
    case Kind::kReturned:
      tell("back in the lobby");
      return on_configured(event);
    case Kind::kLost:
      lost_ = true;
      return tell(event.why == LobbyLeaveWhy::kKicked ? "the owner has sent us away"
                                                      : "the lobby is lost");
  }
}

// What became of a request, if it is worth a word.
whimbrel::Lobbies::Done Room::report() {
  return [this](LobbyResult result) {
    if (result != LobbyResult::kOk) tell(to_string(result));
  };
}

void Room::take_command(const std::string& line) {
  const auto word = [&line](std::size_t from) {
    return from >= line.size() ? std::string() : line.substr(from, line.find(' ', from) - from);
  };
  const std::string command = word(0);
  const std::string first = word(command.size() + 1);
  const std::size_t rest = command.size() + first.size() + 2;
  whimbrel::Lobbies& lobbies = net_.lobbies();
  const auto lobby = lobbies.find(id_);
  if (command == "/quit") {
    quit_ = true;
  } else if (command == "/who") {
    show();
  } else if (command == "/set" && !first.empty()) {
    lobbies.set_data(id_, first, rest < line.size() ? line.substr(rest) : "", report());
  } else if (command == "/kick" && !first.empty()) {
    lobbies.kick(id_, parse_user(first), report());
  } else if (command == "/owner" && !first.empty()) {
    lobbies.set_owner(id_, parse_user(first), report());
  } else if ((command == "/shut" || command == "/open") && lobby) {
    lobbies.configure(id_, lobby->kind, lobby->members_max, command == "/open", report());
  } else if (std::find(kCommands.begin(), kCommands.end(), command) != kCommands.end()) {
    screen_.print(kHelp);
  } else {
    tell(fmt::format(
        "there is no {}: /who, /set, /kick, /owner, /shut, /open, /quit and /help are what "
        "there is; //{} sends it as a line",
        command, line.substr(1)));
  }
}

void Room::take_line(const std::string& line) {
  if (line.empty()) return;
  const bool escaped = line.starts_with("//");
  if (line.front() != '/' || escaped) {
    net_.lobbies().chat(id_, line.substr(escaped ? 1 : 0), report());
    return;
  }
  try {
    take_command(line);
  } catch (const std::exception& error) {  // a name that is none
    tell(error.what());
  }
}

int Room::run() {
  show();
  while (!quit_ && !lost_ && !interrupted() && !screen_.ended()) {
    const bool news = screen_.wait(net_.event_handle(), 500);
    if (news && net_.run_callbacks() == 0) std::this_thread::sleep_for(2ms);
    while (auto line = screen_.next()) take_line(*line);
  }
  if (lost_) return 1;
  screen_.end_input();
  // What was typed last is answered before.
  ask(net_, pump_, "leave", [this](auto done) { net_.lobbies().leave(id_, done); });
  return 0;
}

}  // namespace

int lobby_list_command(const LobbyListOptions& options) {
  whimbrel::LobbyQuery query;
  for (const std::string& text : options.filters) query.filters.push_back(parse_filter(text));
  query.slots_min = static_cast<std::uint8_t>(options.free);
  auto net = open_with_server(options.node);
  Pump pump(*net);
  std::vector<LobbyListing> found;
  ask(*net, pump, "list lobbies", [&](auto done) {
    net->lobbies().list(query, [&found, done](LobbyResult result, const auto& lobbies) {
      found = lobbies;
      done(result);
    });
  });
  if (options.json) {
    print_json(found);
  } else {
    print_table(found);
  }
  return 0;
}

int lobby_create_command(const LobbyCreateOptions& options) {
  std::vector<std::pair<std::string, std::string>> data;
  for (const std::string& text : options.data) data.push_back(parse_datum(text));
  auto net = open_with_server(options.node);
  Pump pump(*net);
  Room room(*net, pump);
  LobbyId id{};
  ask(*net, pump, "make a lobby", [&](auto done) {
    const auto kind =
        options.is_private ? whimbrel::LobbyKind::kPrivate : whimbrel::LobbyKind::kPublic;
    net->lobbies().create(kind, options.members_max,
                          [&, done](LobbyResult result, const Lobby& lobby) {
                            if (result == LobbyResult::kOk) room.entered(lobby);
                            id = lobby.id;
                            done(result);
                          });
  });
  for (const auto& datum : data) {
    ask(*net, pump, "set " + datum.first,
        [&](auto done) { net->lobbies().set_data(id, datum.first, datum.second, done); });
  }
  return room.run();
}

int lobby_join_command(const LobbyJoinOptions& options) {
  const LobbyId id = parse_id(options.lobby);
  auto net = open_with_server(options.node);
  Pump pump(*net);
  Room room(*net, pump);
  ask(*net, pump, "join", [&](auto done) {
    net->lobbies().join(id, [&room, done](LobbyResult result, const Lobby& lobby) {
      if (result == LobbyResult::kOk) room.entered(lobby);
      done(result);
    });
  });
  return room.run();
}
