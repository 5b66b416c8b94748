// `whimbrel`: the command line tool. Exit codes: 0 done, 1 failed at run time, 2 wrong use.
#include <fmt/core.h>
#include <whimbrel/version.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "commands.h"
#include "failure.h"
#include "interrupt.h"
#include "node_options.h"

namespace {

constexpr const char* kExamples = R"(First steps, in two terminals:
  whimbrel chat --name bob --listen 127.0.0.1:4000 --accept all
  whimbrel chat bob --name alice --peer bob=127.0.0.1:4000

A file through a pipe:
  whimbrel recv --name bob --listen :4000 > copy
  whimbrel send bob --name alice --peer bob=192.168.1.7:4000 < file

"whimbrel COMMAND --help" tells more about each.)";

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

void describe(CLI::App& app, Run& run) {
  app.require_subcommand(1);
  app.footer(kExamples);
  app.set_version_flag("--version", std::string("whimbrel ") + whimbrel::version());
  add_chat(app, run);
  add_send(app, run);
  add_recv(app, run);
  add_ping(app, run);
  add_info(app, run);
  add_key(app, run);
  add_cert(app, run);
  add_options(app, run);
  add_demo_peer(app, run);
  app.add_subcommand("version", "Print the version")->callback([&run] {
    run = [] {
      fmt::print("whimbrel {}\n", whimbrel::version());
      return 0;
    };
  });
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

int wrong_use(const CLI::App& app, const std::string& why) {
  fmt::print(stderr, "whimbrel: {}. Try \"{} --help\".\n", why, chosen_command(app));
  return 2;
}

int run_command(const CLI::App& app, const Run& run) {
  try {
    const int code = run();
    if (std::fflush(stdout) != 0) throw Failure("can't write to the standard output");
    return code;
  } catch (const UsageError& error) {
    return wrong_use(app, error.what());
  } catch (const std::exception& error) {
    note(error.what());
    return 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Messages to users by name, direct and encrypted.", "whimbrel");
  Run run;
  describe(app, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    std::string why = first_line(error.what());
    while (!why.empty() && why.back() == '.') why.pop_back();
    return wrong_use(app, why);
  } catch (const UsageError& error) {
    return wrong_use(app, error.what());
  }
  install_interrupt_handler();
  return run_command(app, run);
}
