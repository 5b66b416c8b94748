// The grammar of the command line, command by command.
#include "command_line.h"

#include <fmt/core.h>
#include <whimbrel/version.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <sstream>
#include <string>

#include "commands.h"
#include "failure.h"
#include "node_options.h"
#include "ping_messages.h"
#include "standard_files.h"

namespace {

// Set by the command that was chosen, run when everything is parsed.
using Run = std::function<int()>;

constexpr std::int64_t kCountMax = 1'000'000'000'000;
constexpr std::int64_t kAppIdMax = 4294967295;

constexpr const char* kExamples = R"(First steps, in two terminals:
  whimbrel chat --name bob --listen 127.0.0.1:4000 --accept all
  whimbrel chat bob --name alice --peer bob=127.0.0.1:4000

A file through a pipe:
  whimbrel recv --name bob --listen :4000 > copy
  whimbrel send bob --name alice --peer bob=192.168.1.7:4000 < file

"whimbrel COMMAND --help" tells more about each.)";

constexpr const char* kChatExamples =
    R"(Each line that you type goes to everybody in the chat. Lines that begin with / are commands;
/help lists them, and //TEXT sends /TEXT. What you type while somebody is away is kept and sent
when they are back. When the chat ends, it lists what could not be delivered.

Examples, one a terminal:
  whimbrel chat --name bob --listen 127.0.0.1:4000
  whimbrel chat bob --name alice --peer bob=127.0.0.1:4000)";

constexpr const char* kSendExamples =
    R"(Ends with code 0 only if the receiver has written everything and confirmed it.

Examples:
  tar c photos | whimbrel send bob --name alice --peer bob=192.168.1.7:4000
  whimbrel send 192.168.1.7:4000 < file      (by address; the receiver needs no name))";

constexpr const char* kRecvExamples =
    R"(Takes one transfer and ends, with code 0 only if all of it has arrived and was written.

Examples:
  whimbrel recv --name bob --listen :4000 | tar x
  whimbrel recv --name bob --listen :4000 --accept alice --authority team.pub --cert bob.cert > file)";

constexpr const char* kPingExamples =
    R"(The other side must answer: `whimbrel ping --answer` or `whimbrel chat`.
Ends with code 0 if at least one answer came.

Examples:
  whimbrel ping --answer --name bob --listen :4000
  whimbrel ping bob --name alice --peer bob=192.168.1.7:4000
  whimbrel ping 192.168.1.7:4000 --count 1000 --interval 0.01 --size 1000)";

constexpr const char* kInfoExamples =
    R"(Opens a session, so the other side must accept us: `whimbrel chat`, `whimbrel ping --answer` or your program.

Examples:
  whimbrel info bob --name alice --peer bob=192.168.1.7:4000
  whimbrel info bob --name alice --peer bob=192.168.1.7:4000 --watch
  whimbrel info 192.168.1.7:4000 --json | jq .status.ping_ms)";

constexpr const char* kLobbyExamples =
    R"(A lobby is a group of users on a server (--server), who find each other there. Each line that you type in a lobby goes to
everybody in it; /help lists the commands. A lobby ends when its last member leaves.

Examples:
  whimbrel lobby create --name alice --server play.example:4040 --max 4 --data map=dunes
  whimbrel lobby list --name bob --server play.example:4040 --filter map=dunes --free 1
  whimbrel lobby join NUMBER --name bob --server play.example:4040)";

constexpr const char* kKeyExamples = R"(Examples:
  whimbrel key alice.key          makes the file if it is missing, and prints the public key
  whimbrel key alice.key --show   prints the public key of a file that must be there)";

constexpr const char* kCertExamples =
    R"(An authority certifies that a key belongs to a name. Make it once:
  whimbrel cert new-authority team           (team: secret; team.pub: for everybody)
Then, for each user:
  whimbrel key alice.key                     (prints the public key)
  whimbrel cert issue --authority team --name alice --key KEY --out alice.cert
Then each user says:
  whimbrel chat ... --key alice.key --cert alice.cert --authority team.pub)";

void add_node_options(CLI::App& command, NodeOptions& options) {
  const std::string group = "Network";
  command.add_option("--name", options.name, "Our name; alice is short for str:alice")
      ->group(group);
  command
      .add_option("--listen", options.listen,
                  "UDP address to bind: HOST:PORT, [V6]:PORT or :PORT (default: any free port)")
      ->allow_extra_args(false)
      ->group(group);
  command
      .add_option("--peer", options.peers,
                  "Where a user is: NAME=HOST:PORT, or NAME=HOST:PORT,KEY with the user's public "
                  "key in hex. Of several addresses (of HOST, or HOST:PORT,HOST:PORT) the first "
                  "one that answers is used")
      ->allow_extra_args(false)
      ->group(group);
  command
      .add_option("--server", options.server,
                  "A whimbreld that knows the users: HOST:PORT, or HOST:PORT,KEY with its public "
                  "key in hex. Of several addresses of HOST the first one that answers is used")
      ->group(group);
  command
      .add_option("--token", options.token,
                  "Token of the game's backend, for a server that wants one: the token itself, or "
                  "@FILE (default: what WHIMBREL_TOKEN has)")
      ->type_name("TEXT|@FILE")
      ->group(group);
  command
      .add_option("--key", options.key_file,
                  "File with our secret key; made if missing (default with --server: one file for "
                  "each name, in ~/.config/whimbrel)")
      ->group(group);
  command.add_option("--cert", options.certificate_file, "File with our certificate")->group(group);
  command
      .add_option("--authority", options.authority_files,
                  "Public key file of an authority: peers must show its certificate")
      ->allow_extra_args(false)
      ->group(group);
  command
      .add_option("--app-id", options.app_id,
                  "Application number; peers must have the same one (default 0)")
      ->check(CLI::Range(std::int64_t{0}, kAppIdMax))
      ->group(group);
  command
      .add_option("--set", options.settings,
                  "Option=Value, like FakePacketLossSend=5; see \"whimbrel options\"")
      ->allow_extra_args(false)
      ->group(group);
  command.add_flag("-v,--verbose", options.verbosity, "Tell more on stderr; -vv tells still more")
      ->group(group);
}

void add_accept_option(CLI::App& command, AcceptPolicy& policy) {
  command
      .add_option("--accept", policy.names,
                  policy.fallback == AcceptPolicy::Fallback::kEverybody
                      ? "Whose requests to accept: all (default), or names"
                      : "Whose requests to accept without asking: all, or names")
      ->type_name("all|NAME...")
      ->allow_extra_args(false)
      ->delimiter(',')
      ->each([](const std::string& name) {
        if (name != "all") parse_user(name);
      });
}

void add_channel_option(CLI::App& command, int& channel) {
  command.add_option("--channel", channel, "Channel; the same on both sides")
      ->capture_default_str();
}

// A command and its options, which live as long as the parser.
template <typename Options>
struct Command {
  Command(CLI::App& parent, const char* name, const char* what)
      : app(*parent.add_subcommand(name, what)), options(std::make_shared<Options>()) {}

  void runs(Run& run, int (*command)(const Options&)) {
    app.callback([options = options, &run, command] {
      run = [options, command] { return command(*options); };
    });
  }

  CLI::App& app;
  std::shared_ptr<Options> options;
};

void add_chat(CLI::App& parent, Run& run) {
  Command<ChatOptions> chat(parent, "chat", "Talk to users, line by line");
  chat.app.add_option("USER", chat.options->users,
                      "Users to talk to: names, or addresses HOST:PORT");
  add_accept_option(chat.app, chat.options->accept);
  add_channel_option(chat.app, chat.options->channel);
  add_node_options(chat.app, chat.options->node);
  chat.app.footer(kChatExamples);
  chat.runs(run, chat_command);
}

void add_send(CLI::App& parent, Run& run) {
  Command<SendOptions> send(parent, "send", "Send the standard input to a user who runs recv");
  send.app
      .add_option("USER", send.options->to, "User who gets it: a name, or an address HOST:PORT")
      ->required();
  add_channel_option(send.app, send.options->channel);
  send.app.add_flag("-q,--quiet", send.options->quiet, "No progress");
  add_node_options(send.app, send.options->node);
  send.app.footer(kSendExamples);
  send.runs(run, send_command);
}

void add_recv(CLI::App& parent, Run& run) {
  Command<RecvOptions> recv(parent, "recv", "Write what one user sends to the standard output");
  add_accept_option(recv.app, recv.options->accept);
  add_channel_option(recv.app, recv.options->channel);
  recv.app
      .add_option("--timeout", recv.options->timeout_s,
                  "Give up if nobody sends for so many seconds")
      ->check(CLI::Range(1, 1000000));
  recv.app.add_flag("-q,--quiet", recv.options->quiet, "No progress");
  add_node_options(recv.app, recv.options->node);
  recv.app.footer(kRecvExamples);
  recv.runs(run, recv_command);
}

void add_ping(CLI::App& parent, Run& run) {
  Command<PingOptions> ping(parent, "ping", "Measure round trips to a user");
  PingOptions& options = *ping.options;
  ping.app.add_option("USER", options.to, "User to ping: a name, or an address HOST:PORT");
  ping.app.add_flag("--answer", options.answer, "Answer the pings of others, until Ctrl-C");
  add_accept_option(ping.app, options.accept);
  ping.app.add_option("-c,--count", options.count, "Number of pings; 0 = until Ctrl-C")
      ->check(CLI::Range(std::int64_t{0}, kCountMax))
      ->capture_default_str();
  ping.app.add_option("-i,--interval", options.interval_s, "Seconds between two pings")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  ping.app.add_option("-s,--size", options.bytes, "Bytes of a message")
      ->check(CLI::Range(kPingBytesMin, whimbrel::kMessageBytesMax))
      ->capture_default_str();
  ping.app.add_option("-W,--patience", options.patience_s, "Seconds to wait for the last answers")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  ping.app.add_flag("--reliable", options.reliable,
                    "Send reliable messages: none is lost, some are late");
  ping.app.add_flag("--json", options.json, "Print only the result, as a JSON object");
  add_channel_option(ping.app, options.channel);
  add_node_options(ping.app, options.node);
  ping.app.footer(kPingExamples);
  ping.runs(run, ping_command);
}

void add_info(CLI::App& parent, Run& run) {
  Command<InfoOptions> info(parent, "info",
                            "Show the session with a user: state, path, ping, rates");
  InfoOptions& options = *info.options;
  info.app.add_option("USER", options.to, "User: a name, or an address HOST:PORT")->required();
  info.app.add_flag("-w,--watch", options.watch, "Repeat it until Ctrl-C");
  info.app.add_option("-c,--count", options.count, "With --watch: end after so many reports")
      ->check(CLI::Range(std::int64_t{0}, kCountMax));
  info.app.add_option("-i,--interval", options.interval_s, "Seconds to watch before each report")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  info.app.add_flag("--json", options.json, "Print JSON: one object, or with --watch one a line");
  info.app.add_flag("--counters", options.counters, "Also print the counters of our side");
  add_channel_option(info.app, options.channel);
  add_node_options(info.app, options.node);
  info.app.footer(kInfoExamples);
  info.runs(run, info_command);
}

void add_lobby_list(CLI::App& lobby, Run& run) {
  Command<LobbyListOptions> list(lobby, "list", "Show the lobbies that can be joined");
  LobbyListOptions& options = *list.options;
  list.app
      .add_option("--filter", options.filters,
                  "Only lobbies with such data: KEY=VALUE, KEY!=VALUE, KEY>=NUMBER, ...; all must "
                  "match")
      ->allow_extra_args(false);
  list.app.add_option("--free", options.free, "Only lobbies with so many free places")
      ->check(CLI::Range(0, 250));
  list.app.add_flag("--json", options.json, "Print JSON");
  add_node_options(list.app, options.node);
  list.runs(run, lobby_list_command);
}

void add_lobby_create(CLI::App& lobby, Run& run) {
  Command<LobbyCreateOptions> create(lobby, "create", "Make a lobby and enter it");
  LobbyCreateOptions& options = *create.options;
  create.app.add_option("--max", options.members_max, "Places")
      ->check(CLI::Range(1, 250))
      ->capture_default_str();
  create.app.add_option("--data", options.data, "Data that lists show of it: KEY=VALUE")
      ->allow_extra_args(false);
  create.app.add_flag("--private", options.is_private,
                      "Not in lists: only users who know its number can join");
  add_node_options(create.app, options.node);
  create.runs(run, lobby_create_command);
}

void add_lobby(CLI::App& parent, Run& run) {
  CLI::App& lobby = *parent.add_subcommand("lobby", "Find users in the lobbies of a server");
  lobby.require_subcommand(1);
  lobby.footer(kLobbyExamples);
  add_lobby_list(lobby, run);
  add_lobby_create(lobby, run);
  Command<LobbyJoinOptions> join(lobby, "join", "Join a lobby");
  join.app.add_option("LOBBY", join.options->lobby, "Number of the lobby, as list shows it")
      ->required();
  add_node_options(join.app, join.options->node);
  join.runs(run, lobby_join_command);
}

void add_key(CLI::App& parent, Run& run) {
  Command<KeyOptions> key(parent, "key", "Make or show our key");
  key.app.add_option("FILE", key.options->file, "File with the secret key")->required();
  key.app.add_flag("--show", key.options->show, "Only show the key; don't make the file");
  key.app.footer(kKeyExamples);
  key.runs(run, key_command);
}

void add_cert_issue(CLI::App& cert, Run& run) {
  Command<IssueOptions> issue(cert, "issue", "Certify that a key belongs to a name");
  IssueOptions& options = *issue.options;
  issue.app.add_option("--authority", options.authority, "The authority's secret file")->required();
  issue.app.add_option("--name", options.name, "Whose certificate; alice is short for str:alice")
      ->required();
  issue.app
      .add_option("--key", options.key, "The user's public key (64 hex digits), or the key file")
      ->required();
  issue.app.add_option("--out", options.out, "File for the certificate")->required();
  issue.app.add_option("--days", options.days, "How long it is valid")
      ->check(CLI::Range(1, 3650))
      ->capture_default_str();
  issue.app.add_option("--app-id", options.app_id, "Application number")
      ->check(CLI::Range(std::int64_t{0}, kAppIdMax))
      ->capture_default_str();
  issue.runs(run, issue_command);
}

void add_cert_show(CLI::App& cert, Run& run) {
  Command<ShowOptions> show(cert, "show", "Show a certificate, and check it");
  show.app.add_option("FILE", show.options->file, "The certificate")->required();
  show.app
      .add_option("--authority", show.options->authorities,
                  "Also check that this authority (public key file) signed it, and its dates")
      ->allow_extra_args(false);
  show.app.add_flag("--json", show.options->json, "Print JSON");
  show.runs(run, show_command);
}

void add_cert(CLI::App& parent, Run& run) {
  CLI::App& cert =
      *parent.add_subcommand("cert", "Make authorities and certificates, and show them");
  cert.require_subcommand(1);
  cert.footer(kCertExamples);
  Command<std::string> authority(cert, "new-authority",
                                 "Make an authority: FILE (secret) and FILE.pub");
  authority.app.add_option("FILE", *authority.options, "File for the secret key")->required();
  authority.runs(run, new_authority_command);
  add_cert_issue(cert, run);
  add_cert_show(cert, run);
}

void add_demo_peer(CLI::App& parent, Run& run) {
  Command<NodeOptions> peer(parent, "demo-peer", "A peer driven by JSON lines");
  peer.app.group("");  // not in the help
  add_node_options(peer.app, *peer.options);
  peer.runs(run, demo_peer_command);
}

int version_command() {
  fmt::print("whimbrel {}\n", whimbrel::version());
  return 0;
}

void describe(CLI::App& app, Run& run) {
  app.require_subcommand(1);
  app.footer(kExamples);
  app.set_version_flag("--version", std::string("whimbrel ") + whimbrel::version());
  add_chat(app, run);
  add_send(app, run);
  add_recv(app, run);
  add_ping(app, run);
  add_info(app, run);
  add_lobby(app, run);
  add_key(app, run);
  add_cert(app, run);
  app.add_subcommand("options", "List the options that --set can set")->callback([&run] {
    run = options_command;
  });
  app.add_subcommand("version", "Print the version")->callback([&run] { run = version_command; });
  add_demo_peer(app, run);
}

// The chosen command's full name, for the hint after a mistake.
std::string chosen_command(const CLI::App& app) {
  std::string name = app.get_name();
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    name += " " + at->get_name();
  }
  return name;
}

int wrong_use(const CLI::App& app, std::string why) {
  why = why.substr(0, why.find('\n'));
  while (!why.empty() && why.back() == '.') why.pop_back();
  note(fmt::format("{}. Try \"{} --help\".", why, chosen_command(app)));
  return 2;
}

// What stands where a command should, quoted and named; empty if there is nothing or a command was
// found.
std::string unknown_word(const CLI::App& app, int argc, char** argv) {
  const CLI::App* at = &app;
  int depth = 1;
  for (; !at->get_subcommands().empty(); ++depth) at = at->get_subcommands().front();
  if (depth >= argc || at->get_require_subcommand_min() == 0) return "";
  const std::string word = argv[depth];
  const char* const kind = word.starts_with("-") ? "option" : "command";
  return fmt::format("there is no {} \"{}\"", kind,
                     depth == 1 ? word : at->get_name() + " " + word);
}

int explain(CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  if (error.get_exit_code() == 0) {  // --help, --version
    std::ostringstream text;
    const int code = app.exit(error, text, text);
    fmt::print("{}", text.str());  // which throws what is wrong with stdout
    flush_standard_output();
    return code;
  }
  const std::string unknown = unknown_word(app, argc, argv);
  return wrong_use(app, unknown.empty() ? error.what() : unknown);
}

int parse_and_run(CLI::App& app, int argc, char** argv) {
  Run run;
  try {
    describe(app, run);
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return explain(app, error, argc, argv);
  }
  const int code = run();
  flush_standard_output();
  return code;
}

}  // namespace

int run_command_line(int argc, char** argv) {
  CLI::App app("Messages to users by name, direct and encrypted.", "whimbrel");
  try {
    return parse_and_run(app, argc, argv);
  } catch (const UsageError& error) {
    return wrong_use(app, error.what());
  } catch (const std::exception& error) {
    note(error.what());
    return 1;
  }
}
