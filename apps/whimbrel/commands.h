// The subcommands. Each add_...() describes its command line to the parser and, when its command was chosen, sets
// `run` to what main() shall do once everything is parsed; `run` returns the exit code.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

using Run = std::function<int()>;

void add_chat(CLI::App& app, Run& run);
void add_send(CLI::App& app, Run& run);
void add_recv(CLI::App& app, Run& run);
void add_ping(CLI::App& app, Run& run);
void add_info(CLI::App& app, Run& run);
void add_cert(CLI::App& app, Run& run);
void add_key(CLI::App& app, Run& run);
void add_options(CLI::App& app, Run& run);
void add_demo_peer(CLI::App& app, Run& run);
