#include "screen.h"

#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "failure.h"
#include "notes.h"
#include "text.h"

Screen::Screen() {
  if (!LineEditor::possible()) return;
  editor_ = std::make_unique<LineEditor>();
  if (::isatty(STDERR_FILENO) != 1) return;
  set_note_taker([this](std::string line) {
    const std::lock_guard lock(mutex_);
    notes_.push_back(std::move(line));
  });
}

Screen::~Screen() { end_input(); }

void Screen::end_input() {
  input_ended_ = true;
  if (!editor_) return;
  set_note_taker(nullptr);
  print_notes();
  editor_.reset();
}

bool Screen::wait(int other_fd, int timeout_ms, bool deaf) {
  if (!editor_) return input_.wait(other_fd, timeout_ms, deaf || input_ended_);
  print_notes();
  editor_->show();
  const bool listens = !deaf && !editor_->ended();
  std::array<pollfd, 2> fds = {{{listens ? STDIN_FILENO : -1, POLLIN, 0}, {other_fd, POLLIN, 0}}};
  const int ready = ::poll(fds.data(), fds.size(), timeout_ms);
  editor_->obey_signals();
  if (ready < 0) {
    if (errno == EINTR) return false;
    throw Failure(fmt::format("can't wait for the terminal: {}", std::strerror(errno)));
  }
  if (fds[0].revents != 0) editor_->read_some();
  return fds[1].revents != 0;
}

std::optional<std::string> Screen::next() {
  if (input_ended_) return std::nullopt;
  return editor_ ? editor_->next() : input_.next();
}

bool Screen::ended() const { return input_ended_ || (editor_ ? editor_->ended() : input_.ended()); }

void Screen::print(std::string_view line) {
  if (editor_) editor_->hide();
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

void Screen::tell(std::string_view line) { print("* " + printable(line)); }

void Screen::print_notes() {
  std::vector<std::string> notes;
  {
    const std::lock_guard lock(mutex_);
    notes.swap(notes_);
  }
  if (notes.empty()) return;
  if (editor_) editor_->hide();
  for (const std::string& line : notes) write_note(line);
}
