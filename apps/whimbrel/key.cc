// `whimbrel key`: our own key pair.
#include <fmt/core.h>
#include <whimbrel/certificates.h>

#include <string>

#include "commands.h"
#include "failure.h"

int key_command(const KeyOptions& options) {
  std::string error;
  const auto key = whimbrel::public_key_of_file(options.file, !options.show, &error);
  if (!key) throw Failure(error);
  fmt::print("{}\n", *key);
  return 0;
}
