#include "log_sink.h"

#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string>

namespace {
// A reader that is merely slow catches up in it. Only who was not behind is waited for.
constexpr int kPatienceMilliseconds = 50;
}  // namespace

bool LogSink::has_room() const {
  pollfd one{file_, POLLOUT, 0};
  const int patience = lost_ == 0 ? kPatienceMilliseconds : 0;
  return ::poll(&one, 1, patience) == 1 && (one.revents & POLLOUT) != 0;
}

std::size_t LogSink::put(std::string_view text) {
  std::size_t done = 0;
  while (done < text.size()) {
    // pipe(7): a pipe with room has it for PIPE_BUF bytes, and they leave without waiting.
    const std::size_t size = std::min<std::size_t>(text.size() - done, PIPE_BUF);
    ssize_t put = ::send(file_, text.data() + done, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put < 0 && errno == ENOTSOCK && has_room()) put = ::write(file_, text.data() + done, size);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) break;
    done += static_cast<std::size_t>(put);
  }
  return done;
}

void LogSink::write(std::string_view lines) {
  std::string before = in_a_line_ ? "\n" : "";
  if (lost_ > 0)
    before += fmt::format("{} lines of the log are missing: nobody read them\n", lost_);
  const std::size_t told = put(before);
  if (told < before.size()) {
    ++lost_;
    in_a_line_ = in_a_line_ || told > 0;
    return;
  }
  if (!before.empty()) lost_ = 0;
  const std::size_t done = put(lines);
  in_a_line_ = done > 0 && done < lines.size();
  if (done < lines.size()) ++lost_;
}
