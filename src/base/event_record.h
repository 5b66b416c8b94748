// Events for an operator's log. They are kept until they are taken; what has no room is counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace whimbrel {

// Of what an operator may want to know.
enum class Recorded : std::uint8_t {
  kNothing,
  kTrouble,  // who was refused or put out, and why
  kAll,
};

template <typename Event>
class EventRecord {
 public:
  static constexpr std::size_t kEventsMax = 1024;
  struct Taken {
    std::vector<Event> events;
    std::uint64_t lost = 0;  // had no room
  };

  void set(Recorded what) { what_ = what; }
  bool wants(Recorded kind) const { return kind <= what_; }
  void add(Event event) {
    if (taken_.events.size() < kEventsMax) {
      taken_.events.push_back(std::move(event));
    } else {
      ++taken_.lost;
    }
  }
  // Since the last time.
  Taken take() { return std::exchange(taken_, {}); }

 private:
  Recorded what_ = Recorded::kNothing;
  Taken taken_;
};

}  // namespace whimbrel
