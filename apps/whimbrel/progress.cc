#include "progress.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>

#include "text.h"

using namespace std::chrono_literals;

namespace {

// Short transfers say nothing on their way.
constexpr auto kQuietAtFirst = 1s;
constexpr auto kTerminalInterval = 200ms;
constexpr auto kLogInterval = 5s;

double seconds(std::chrono::steady_clock::duration span) {
  return std::chrono::duration<double>(span).count();
}

}  // namespace

Progress::Progress(std::string_view verb, bool quiet)
    : verb_(verb),
      quiet_(quiet),
      tty_(::isatty(STDERR_FILENO) == 1),
      begin_(Clock::now()),
      next_(begin_ + (tty_ ? Clock::duration(kQuietAtFirst) : Clock::duration(kLogInterval))),
      rate_at_(begin_) {}

Progress::~Progress() { wipe(); }

void Progress::wipe() {
  if (drawn_) fmt::print(stderr, "\r\033[K");
  drawn_ = false;
}

std::string Progress::line(std::uint64_t bytes, std::string_view more) const {
  return fmt::format("{} {} in {}, {}{}{}", verb_, bytes_text(bytes),
                     duration_text(seconds(Clock::now() - begin_)), rate_text(rate_),
                     more.empty() ? "" : ", ", printable(more));
}

void Progress::update(std::uint64_t bytes, std::string_view more) {
  const auto now = Clock::now();
  if (!due()) return;
  next_ = now + (tty_ ? Clock::duration(kTerminalInterval) : Clock::duration(kLogInterval));
  rate_ = static_cast<double>(bytes - rate_bytes_) / seconds(now - rate_at_);
  rate_at_ = now;
  rate_bytes_ = bytes;
  wipe();
  if (tty_) {
    fmt::print(stderr, "{}", line(bytes, more));
  } else {
    fmt::print(stderr, "whimbrel: {}\n", line(bytes, more));
  }
  drawn_ = tty_;
}

void Progress::say(std::string_view text) {
  wipe();
  fmt::print(stderr, "whimbrel: {}\n", printable(text));
}

void Progress::finish(std::uint64_t bytes, std::string_view more) {
  rate_ = static_cast<double>(bytes) / std::max(1e-6, seconds(Clock::now() - begin_));
  wipe();
  fmt::print(stderr, "whimbrel: {}\n", line(bytes, more));
}
