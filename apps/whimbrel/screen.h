// Where a person types lines and reads what comes: on a terminal what comes is written above the
// line that is half typed, elsewhere (pipes, files) both go their own ways.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "line_editor.h"
#include "line_input.h"

class Screen {
 public:
  Screen();
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // Sleeps until something was typed (unless `deaf`), `other_fd` is ready or the time is over. True
  // if `other_fd` was ready.
  bool wait(int other_fd, int timeout_ms, bool deaf = false);
  std::optional<std::string> next();
  bool ended() const;
  // Gives the terminal back: nothing is typed any more.
  void end_input();

  void print(std::string_view line);
  // "* line", with nothing in it that steers a terminal.
  void tell(std::string_view line);

 private:
  void print_notes();

  std::unique_ptr<LineEditor> editor_;  // on a terminal
  LineInput input_;                     // elsewhere
  bool input_ended_ = false;
  // What other threads have said meanwhile.
  std::mutex mutex_;
  std::vector<std::string> notes_;
};
