// `whimbreld`: rendezvous, authority and relay on one UDP port.
#include <fcntl.h>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <pthread.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>
#include <whimbrel/version.h>

#include <algorithm>
#include <cerrno>
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <exception>
#include <optional>

#include "admin.h"
#include "log.h"
#include "revoke.h"
#include "service.h"
#include "text.h"

namespace {

constexpr const char* kExamples = R"(Examples:
  whimbreld                                  everything on UDP port 4040, state in ./whimbreld-state
  whimbreld --listen 0.0.0.0:5000 --state /var/lib/whimbreld
  whimbreld --config whimbreld.toml --check-config
  whimbreld --print-config > whimbreld.toml  a file with every setting and its value
  whimbreld --state DIR --revoke str:mallory nobody accepts the key of that user any more
  whimbreld --state DIR --backup COPY        keys and names, also of a running server

Users then say: --server HOST:4040,KEY  (the server prints KEY at its start; without KEY, whoever answers is believed).)";

struct Arguments {
  std::optional<std::string> config;
  std::vector<std::string> listen;
  std::optional<std::string> state;
  std::optional<std::string> log_level;
  std::optional<std::string> admin;
  std::optional<std::string> revoke, release, backup;
  bool make_missing = false;
  bool check = false;
  bool print = false;
};

void describe(CLI::App& app, Arguments& arguments) {
  app.add_option("-c,--config", arguments.config, "TOML file with settings; flags take precedence");
  app.add_option("--listen", arguments.listen,
                 "UDP address: IP:PORT or [V6]:PORT; once for each family")
      ->allow_extra_args(false);
  app.add_option("--state", arguments.state,
                 "Folder for keys and names; made if missing; \"\" keeps them in memory");
  app.add_option("--admin", arguments.admin,
                 "HTTP address of /metrics and /healthz: IP:PORT, or \"none\"");
  app.add_option("--log-level", arguments.log_level, "debug, info, warning or error");
  app.add_option(
      "--revoke", arguments.revoke,
      "Shut out a key (64 hex digits) or the owner of a name (str:mallory), for good; a running "
      "server notices within seconds");
  app.add_option(
      "--release", arguments.release,
      "Take a name (str:alice) from its key; the next user who logs in under it gets it");
  app.add_option("--backup", arguments.backup,
                 "Copy the state folder, also of a running server, into a new folder");
  app.add_flag(
      "--make-missing", arguments.make_missing,
      "Make files that are missing from the state folder; without this flag that is an error");
  app.add_flag("--check-config", arguments.check,
               "Check whether a server would start with these settings, and end");
  app.add_flag("--print-config", arguments.print, "Print the settings as a TOML file, and end");
  app.set_version_flag("--version", std::string("whimbreld ") + whimbrel::version());
  app.footer(kExamples);
}

Settings settings_of(const Arguments& arguments) {
  Settings settings;
  if (arguments.config) read_settings(*arguments.config, settings);
  if (!arguments.listen.empty())
    set_by_flag(settings, "--listen", "server", "listen", arguments.listen);
  if (arguments.state)
    set_by_flag(settings, "--state", "server", "state_folder", {*arguments.state});
  if (arguments.admin) set_by_flag(settings, "--admin", "admin", "listen", {*arguments.admin});
  if (arguments.log_level)
    set_by_flag(settings, "--log-level", "server", "log_level", {*arguments.log_level});
  check_settings(settings);
  return settings;
}

Missing missing_of(const Arguments& arguments) {
  return arguments.make_missing ? Missing::kMade : Missing::kRefused;
}

// Those that end programs, and those that would if nobody took them.
sigset_t our_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}) sigaddset(&signals, signal);
  return signals;
}

// Waits for a signal, at most `seconds`. The signal, or 0.
int wait_for_signal(const sigset_t& signals, std::uint32_t seconds) {
  const timespec patience{static_cast<std::time_t>(seconds), 0};
  const int signal = sigtimedwait(&signals, nullptr, &patience);
  return signal > 0 ? signal : 0;
}

bool ends(int signal) { return signal == SIGTERM || signal == SIGINT; }

// What the file and the flags say now, as far as it can change while the server serves.
void reload(const Arguments& arguments, Service& service) {
  try {
    const Settings fresh = settings_of(arguments);
    const std::vector<std::string> changed = changed_settings(service.settings(), fresh);
    service.reload(fresh);
    set_log_level(service.settings());
    const std::vector<std::string> waiting = changed_settings(service.settings(), fresh);
    std::vector<std::string> taken;
    for (const std::string& key : changed) {
      if (std::find(waiting.begin(), waiting.end(), key) == waiting.end()) taken.push_back(key);
    }
    spdlog::info("the settings were read again; changed: {}",
                 taken.empty() ? "nothing" : fmt::format("{}", fmt::join(taken, ", ")));
    if (!waiting.empty()) spdlog::warn("these need a restart: {}", fmt::join(waiting, ", "));
  } catch (const std::exception& error) {
    spdlog::error("the settings stay as they were: {}", error.what());
  }
}

// Until a signal that ends programs.
void run(const Arguments& arguments, const sigset_t& signals, Service& service) {
  constexpr std::uint32_t kTickSeconds = 1;
  for (int signal = 0; !ends(signal);) {
    signal = wait_for_signal(signals, kTickSeconds);
    if (signal == SIGHUP) reload(arguments, service);
    if (signal == SIGUSR1 || signal == SIGUSR2)
      spdlog::info("nothing is done for this signal; SIGHUP reads the settings again");
    service.tick();
  }
}

int serve(const Arguments& arguments, const Settings& settings) {
  set_up_log(settings);
  // Before any thread: all of them leave these signals to wait_for_signal().
  const sigset_t signals = our_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // A reader of the log that has gone, a file that may not grow: an error where it happens, and no
  // end.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  Service service(settings, missing_of(arguments));
  spdlog::info("whimbreld {} on {}", whimbrel::version(), service.listening());
  spdlog::info("server key {}", service.public_key_hex());
  if (settings.rendezvous) spdlog::info("authority {}", service.authority_hex());
  if (!settings.rendezvous && settings.relay) {
    spdlog::info(
        "a relay alone, site \"{}\": its tokens come from a server that lists it under [[sites]] "
        "with a copy of {}/site.key",
        settings.site, settings.state_folder);
  }
  std::unique_ptr<Admin> admin;
  if (!settings.admin_listen.empty()) {
    admin = std::make_unique<Admin>(settings.admin_listen, service);
    spdlog::info("metrics at http://{}/metrics",
                 settings.admin_listen.substr(0, settings.admin_listen.rfind(':') + 1) +
                     std::to_string(admin->port()));
  }
  run(arguments, signals, service);
  if (const std::uint32_t drain = service.settings().drain_seconds; drain > 0) {
    spdlog::info("draining for {} s; a second signal stops at once", drain);
    service.drain(std::chrono::seconds(drain));
    // Once everybody has gone there is nothing to wait for.
    for (std::uint32_t waited = 0; waited < drain && !service.deserted(); ++waited) {
      if (ends(wait_for_signal(signals, 1))) break;
      service.tick();
    }
  }
  spdlog::info("stopped");
  return 0;
}

int fail(int code, const std::string& why) {
  fmt::print(stderr, "whimbreld: {}\n", for_operator(why));
  return code;
}

// For whoever asked. Throws where it does not arrive.
void print(const std::string& text) {
  const bool printed = std::fputs(text.c_str(), stdout) >= 0;
  if (!printed || std::fflush(stdout) != 0) {
    throw std::runtime_error(
        fmt::format("can't write to the standard output: {}", std::strerror(errno)));
  }
}

int run(const Arguments& arguments) {
  const Settings settings = settings_of(arguments);
  const std::string& state = settings.state_folder;
  if (arguments.print) {
    print(settings_text(settings));
  } else if (arguments.check) {
    set_up_log(settings);
    check_service(settings, missing_of(arguments));
    print("the settings are right\n");
  } else if (arguments.revoke) {
    print(revoke(state, *arguments.revoke));
  } else if (arguments.release) {
    print(release(state, *arguments.release));
  } else if (arguments.backup) {
    print(backup_state(state, *arguments.backup));
  } else {
    return serve(arguments, settings);
  }
  return 0;
}

// Where one is closed, a file that is opened later would have its number: the log would be written
// into the state.
void fill_standard_files() {
  for (int file = STDIN_FILENO; file <= STDERR_FILENO; ++file) {
    if (::fcntl(file, F_GETFD) < 0 && errno == EBADF) (void)!::open("/dev/null", O_RDWR);
  }
}

}  // namespace

int main(int argc, char** argv) {
  fill_standard_files();
  CLI::App app("Lets users find and reach each other: names, certificates and a relay.",
               "whimbreld");
  Arguments arguments;
  describe(app, arguments);
  try {
    app.parse(argc, argv);
    return run(arguments);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    return fail(2, fmt::format("{}. Try \"whimbreld --help\".", error.what()));
  } catch (const SettingsError& error) {
    return fail(2, error.what());
  } catch (const std::exception& error) {
    return fail(1, error.what());
  }
}
