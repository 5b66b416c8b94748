// A value, or a sentence that says why there is none and what to do. For failures of the world (a
// file, a socket, a user's text), not for a peer's bytes on the packet path.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/assert.h"

namespace whimbrel {

struct Error {
  std::string text;
};

template <typename T>
class Expected {
 public:
  Expected(T value)
      : state_(std::move(value)) {}  // NOLINT: implicit, so that a function can return either
  Expected(Error error) : state_(std::move(error)) {}  // NOLINT

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() {
    ASSERT(ok());
    return std::get<0>(state_);
  }
  const T& value() const {
    ASSERT(ok());
    return std::get<0>(state_);
  }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  // Empty when ok().
  std::string error() const { return ok() ? std::string() : std::get<1>(state_).text; }

 private:
  std::variant<T, Error> state_;
};

}  // namespace whimbrel
