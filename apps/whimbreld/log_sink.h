// Where the lines of the log leave: a file descriptor whose reader may be slow, or gone. Nobody
// waits for it: a server whose log is not read serves on, and says later how many lines are
// missing.
#pragma once

#include <cstdint>
#include <string_view>

class LogSink {
 public:
  explicit LogSink(int file) : file_(file) {}

  // Whole lines. What finds no room is lost and counted.
  void write(std::string_view lines);
  std::uint64_t lost() const { return lost_; }

 private:
  // How much of it has left.
  std::size_t put(std::string_view text);
  bool has_room() const;

  int file_;
  std::uint64_t lost_ = 0;  // since the last line that left
  bool in_a_line_ = false;  // the last one left in part
};
