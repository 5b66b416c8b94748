#include "standard_files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "failure.h"

void fill_standard_files() {
  // An input that cannot be read, an output that cannot be written; what is said on stderr is for
  // nobody.
  constexpr std::array<std::pair<int, int>, 3> kModes = {
      {{STDIN_FILENO, O_WRONLY}, {STDOUT_FILENO, O_RDONLY}, {STDERR_FILENO, O_WRONLY}}};
  for (const auto& [fd, mode] : kModes) {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number is taken: this one, as all below it are open by now.
    if (::open("/dev/null", mode) != fd) std::abort();
  }
}

void flush_standard_output() {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return;
  throw Failure(errno == 0
                    ? std::string("can't write to the standard output")
                    : fmt::format("can't write to the standard output: {}", std::strerror(errno)));
}
