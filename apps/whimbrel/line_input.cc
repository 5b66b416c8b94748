#include "line_input.h"

#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "failure.h"

bool LineInput::wait(int other_fd, int timeout_ms, bool deaf) {
  // A closed stdin is left out (-1): it would be ready for ever.
  std::array<pollfd, 2> fds = {
      {{closed_ || deaf ? -1 : STDIN_FILENO, POLLIN, 0}, {other_fd, POLLIN, 0}}};
  if (::poll(fds.data(), fds.size(), timeout_ms) < 0) {
    if (errno == EINTR) return false;
    throw Failure(fmt::format("can't wait for the standard input: {}", std::strerror(errno)));
  }
  if (fds[0].revents != 0) read_some();
  return fds[1].revents != 0;
}

void LineInput::read_some() {
  std::array<char, 65536> chunk;
  const ssize_t size = ::read(STDIN_FILENO, chunk.data(), chunk.size());
  if (size > 0) buffer_.append(chunk.data(), static_cast<std::size_t>(size));
  if (size == 0 || (size < 0 && errno != EINTR && errno != EAGAIN)) closed_ = true;
}

std::optional<std::string> LineInput::next() {
  const std::size_t end = buffer_.find('\n');
  if (end == std::string::npos && (!closed_ || buffer_.empty())) return std::nullopt;
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end == std::string::npos ? end : end + 1);
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return line;
}
