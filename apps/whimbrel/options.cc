// `whimbrel options`: what --set can set.
#include <fmt/core.h>
#include <whimbrel/config.h>

#include "commands.h"

int options_command() {
  fmt::print("{:<24} {:>6} {:>10} {:>12} {:>12}  {}\n", "NAME", "NUMBER", "MIN", "MAX", "DEFAULT",
             "UNIT");
  for (const auto& info : whimbrel::all_options()) {
    fmt::print("{:<24} {:>6} {:>10} {:>12} {:>12}  {}{}\n", info.name,
               static_cast<int>(info.option), info.min, info.max, info.default_value, info.unit,
               info.per_session ? "" : " (whole instance)");
  }
  return 0;
}
