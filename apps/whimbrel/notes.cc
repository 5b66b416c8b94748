#include "notes.h"

#include <fmt/core.h>

#include <mutex>
#include <utility>

#include "text.h"

namespace {

std::mutex mutex;
std::function<void(std::string)> taker_of_notes;

}  // namespace

void set_note_taker(std::function<void(std::string)> taker) {
  const std::lock_guard lock(mutex);
  taker_of_notes = std::move(taker);
}

void write_note(std::string_view line) { fmt::print(stderr, "whimbrel: {}\n", printable(line)); }

void note(std::string_view line) {
  const std::lock_guard lock(mutex);
  if (taker_of_notes) return taker_of_notes(std::string(line));
  write_note(line);
}
