// How far a long transfer is, on stderr: one line that is rewritten on a terminal, a line now and
// then elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

class Progress {
 public:
  // `verb` as in "sent". With `quiet`, nothing is printed but by finish().
  Progress(std::string_view verb, bool quiet);
  // Wipes the line, so that what is printed next starts on a clean one.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // It is time to print: to be asked first where `more` costs something to find out.
  bool due() const { return !quiet_ && Clock::now() >= next_; }
  // Prints if it is due(). `more` is said behind the numbers.
  void update(std::uint64_t bytes, std::string_view more);
  // A line of its own, even with `quiet`.
  void say(std::string_view text);
  // The last line: how much, how long, how fast.
  void finish(std::uint64_t bytes, std::string_view more);

 private:
  using Clock = std::chrono::steady_clock;

  std::string line(std::uint64_t bytes, std::string_view more) const;
  void wipe();

  const std::string verb_;
  const bool quiet_;
  const bool tty_;
  const Clock::time_point begin_;
  Clock::time_point next_;
  Clock::time_point rate_at_;
  std::uint64_t rate_bytes_ = 0;
  double rate_ = 0;
  bool drawn_ = false;
};
