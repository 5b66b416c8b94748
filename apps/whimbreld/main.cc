// `whimbreld`: rendezvous, authority and relay on one UDP port.
#include <fmt/core.h>
#include <pthread.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <whimbrel/version.h>

#include <CLI/CLI.hpp>
#include <ctime>
#include <exception>

#include "admin.h"
#include "service.h"

namespace {

constexpr const char* kExamples = R"(Examples:
  whimbreld                                  everything on UDP port 4040, state in ./whimbreld-state
  whimbreld --listen 0.0.0.0:5000 --state /var/lib/whimbreld
  whimbreld --config whimbreld.toml --check-config
  whimbreld --print-config > whimbreld.toml  a file with every key and its value

Players then say: --server HOST:4040,KEY  (the key is printed at the start; without it, whoever answers is believed).)";

struct Arguments {
  std::string config;
  std::vector<std::string> listen;
  std::string state;
  std::string log_level;
  std::string admin;
  bool check = false;
  bool print = false;
};

void describe(CLI::App& app, Arguments& arguments) {
  app.add_option("-c,--config", arguments.config, "TOML file with settings; flags win over it");
  app.add_option("--listen", arguments.listen,
                 "UDP address: IP:PORT or [V6]:PORT; once for each family")
      ->allow_extra_args(false);
  app.add_option("--state", arguments.state, "Folder for keys and names; made if missing");
  app.add_option("--admin", arguments.admin,
                 "HTTP address of /metrics and /healthz: IP:PORT, or \"none\"");
  app.add_option("--log-level", arguments.log_level, "debug, info, warning or error");
  app.add_flag("--check-config", arguments.check, "Only look whether the settings are right");
  app.add_flag("--print-config", arguments.print, "Print the settings as a TOML file, and end");
  app.set_version_flag("--version", std::string("whimbreld ") + whimbrel::version());
  app.footer(kExamples);
}

Settings settings_of(const Arguments& arguments) {
  Settings settings;
  if (!arguments.config.empty()) read_settings(arguments.config, settings);
  if (!arguments.listen.empty()) settings.listen = arguments.listen;
  if (!arguments.state.empty()) settings.state_folder = arguments.state;
  if (!arguments.admin.empty())
    settings.admin_listen = arguments.admin == "none" ? "" : arguments.admin;
  // The file's checks hold for flags, too.
  if (!arguments.log_level.empty())
    parse_settings(fmt::format("[server]\nlog_level = \"{}\"\n", arguments.log_level),
                   "--log-level", settings);
  check_settings(settings);
  return settings;
}

void set_up_log(const Settings& settings) {
  auto log = std::make_shared<spdlog::logger>("whimbreld",
                                              std::make_shared<spdlog::sinks::stderr_sink_mt>());
  log->set_level(spdlog::level::from_str(settings.log_level));
  log->set_pattern(settings.log_format == "json"
                       ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","message":"%v"})"
                       : "%Y-%m-%d %H:%M:%S.%e %l %v",
                   spdlog::pattern_time_type::utc);
  log->flush_on(spdlog::level::info);
  spdlog::set_default_logger(log);
}

// Waits for a signal that ends programs, at most `seconds` (0: for ever). The signal, or 0.
int wait_for_signal(const sigset_t& signals, std::uint32_t seconds) {
  if (seconds == 0) {
    int signal = 0;
    sigwait(&signals, &signal);
    return signal;
  }
  const timespec patience{static_cast<std::time_t>(seconds), 0};
  const int signal = sigtimedwait(&signals, nullptr, &patience);
  return signal > 0 ? signal : 0;
}

int serve(const Settings& settings) {
  set_up_log(settings);
  // Before any thread: all of them leave these signals to wait_for_signal().
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  Service service(settings);
  spdlog::info("whimbreld {} on {}", whimbrel::version(), service.listening());
  spdlog::info("server key {}", service.public_key_hex());
  spdlog::info("authority {}", service.authority_hex());
  std::unique_ptr<Admin> admin;
  if (!settings.admin_listen.empty()) {
    admin = std::make_unique<Admin>(settings.admin_listen, service);
    spdlog::info("metrics at http://{}/metrics",
                 settings.admin_listen.substr(0, settings.admin_listen.rfind(':') + 1) +
                     std::to_string(admin->port()));
  }
  wait_for_signal(signals, 0);
  if (settings.drain_seconds > 0) {
    spdlog::info("draining for {} s; a second signal stops at once", settings.drain_seconds);
    service.drain(std::chrono::seconds(settings.drain_seconds));
    wait_for_signal(signals, settings.drain_seconds);
  }
  spdlog::info("stopped");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Lets players find and reach each other: names, certificates and a relay.",
               "whimbreld");
  Arguments arguments;
  describe(app, arguments);
  try {
    app.parse(argc, argv);
    const Settings settings = settings_of(arguments);
    if (arguments.print) return std::fputs(settings_text(settings).c_str(), stdout) < 0 ? 1 : 0;
    if (arguments.check) {
      fmt::print("the settings are right\n");
      return 0;
    }
    return serve(settings);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    fmt::print(stderr, "whimbreld: {}. Try \"whimbreld --help\".\n", error.what());
    return 2;
  } catch (const SettingsError& error) {
    fmt::print(stderr, "whimbreld: {}\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "whimbreld: {}\n", error.what());
    return 1;
  }
}
