#include "kept_lines.h"

#include <algorithm>

void KeptLines::on_given() {
  ++given_;
  tried_ = std::max(tried_, given_);
}

void KeptLines::on_shown(std::uint64_t run, std::uint64_t lines) {
  if (run != their_run_) {
    // It has seen nothing of what is kept here, whatever it has shown of what was confirmed before.
    their_run_ = run;
    their_count_ = lines;
    return;
  }
  if (lines <= their_count_) return;
  forget(lines - their_count_);
  their_count_ = lines;
}

void KeptLines::on_all_confirmed() {
  forget(given_);
  // Its count is no longer known to go with ours.
  their_run_ = 0;
}

void KeptLines::forget(std::uint64_t count) {
  // No more than it can have got.
  const auto gone = static_cast<std::size_t>(std::min<std::uint64_t>(count, tried_));
  lines_.erase(lines_.begin(), lines_.begin() + static_cast<std::ptrdiff_t>(gone));
  given_ -= std::min(given_, gone);
  tried_ -= gone;
}
