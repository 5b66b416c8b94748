// What was typed for one user and is not known to have reached them. It is kept over the ends of
// sessions, until it has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

class KeptLines {
 public:
  // What waits beyond that must wait outside.
  static constexpr std::size_t kLinesMax = 1000;

  bool empty() const { return lines_.empty(); }
  bool full() const { return lines_.size() >= kLinesMax; }
  std::size_t size() const { return lines_.size(); }
  const std::deque<std::string>& lines() const { return lines_; }

  void push(std::string line) { lines_.push_back(std::move(line)); }
  // The next one for the session that is up; nullptr when all were given to it.
  const std::string* next() const { return given_ < lines_.size() ? &lines_[given_] : nullptr; }
  void on_given();
  // The session has ended: what it was given may have arrived or not.
  void on_session_ended() { given_ = 0; }
  // The other side's word: its run `run` has shown so many lines of ours. The first word of a
  // session must come before anything is given to it.
  void on_shown(std::uint64_t run, std::uint64_t lines);
  // Everything that was given is confirmed; for programs that say nothing of lines.
  void on_all_confirmed();

 private:
  void forget(std::uint64_t count);

  std::deque<std::string> lines_;
  std::size_t given_ = 0;  // of them, to this session
  std::size_t tried_ = 0;  // of them, to this one or one before
  // The other side's count when we first heard it in its run, and what has been confirmed since.
  std::uint64_t their_run_ = 0;
  std::uint64_t their_count_ = 0;
};
