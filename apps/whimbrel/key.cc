// `whimbrel key`: our own key pair.
#include <fmt/core.h>
#include <whimbrel/certificates.h>

#include <string>

#include "commands.h"
#include "failure.h"

namespace {

constexpr const char* kExamples = R"(Examples:
  whimbrel key alice.key          makes the file if it is missing, and prints the public key
  whimbrel key alice.key --show   prints the public key of a file that must be there)";

struct KeyOptions {
  std::string file;
  bool show = false;
};

int key_command(const KeyOptions& options) {
  std::string error;
  const auto key = whimbrel::public_key_of_file(options.file, !options.show, &error);
  if (!key) throw Failure(error);
  fmt::print("{}\n", *key);
  return 0;
}

}  // namespace

void add_key(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand("key", "Make or show our key");
  auto options = std::make_shared<KeyOptions>();
  command->add_option("FILE", options->file, "File with the secret key")->required();
  command->add_flag("--show", options->show, "Only show; don't make the file");
  command->footer(kExamples);
  command->callback([options, &run] { run = [options] { return key_command(*options); }; });
}
