// How a command ends early. main() prints the sentence and turns the type into the exit code.
#pragma once

#include <stdexcept>

// The world did not play along: exit code 1. The sentence says what is wrong and what to do.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The command line is wrong: exit code 2.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
