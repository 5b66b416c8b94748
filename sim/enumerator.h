// Bounded exhaustive enumeration: runs a piece of code once for every sequence of choices that it
// can make.
//
//   Enumerator choices;
//   while (choices.next()) { if (choices.below(2)) ...; for (...) choices.below(n) ...; }
//
// The choices may depend on earlier ones. It counts like a number whose digits have their own
// bases: the last digit that can grow does, those behind it go away.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/assert.h"

namespace whimbrel::sim {

class Enumerator {
 public:
  // False when every sequence has been run.
  bool next() {
    at_ = 0;
    if (!started_) return started_ = true;
    while (!digits_.empty() && digits_.back().value + 1 == digits_.back().base) digits_.pop_back();
    if (digits_.empty()) return false;
    ++digits_.back().value;
    return true;
  }

  // The next choice of this run: 0 to base - 1.
  std::uint32_t below(std::uint32_t base) {
    ASSERT(base > 0);
    if (at_ == digits_.size()) digits_.push_back({0, base});
    ASSERT(digits_[at_].base == base);  // the code must be deterministic
    return digits_[at_++].value;
  }
  bool flag() { return below(2) == 1; }

  // The choices of this run, to be shown when it fails.
  std::string text() const {
    std::string text;
    for (std::size_t i = 0; i < at_; ++i) text += std::to_string(digits_[i].value) + " ";
    return text;
  }

 private:
  struct Digit {
    std::uint32_t value = 0;
    std::uint32_t base = 0;
  };
  std::vector<Digit> digits_;
  std::size_t at_ = 0;
  bool started_ = false;
};

}  // namespace whimbrel::sim
