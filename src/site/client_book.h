// Where a server notes who its clients are, so that its next life can tell them that it knows nothing of them any more: they then
// log in again at once, and not when their next ping stays without an answer.
#pragma once

#include <cstddef>
#include <vector>

#include "endpoint/endpoint.h"

namespace whimbrel {

class ClientBook {
 public:
  virtual ~ClientBook() = default;
  // Of the last life, where that was a moment ago. The first call only; the book is empty then.
  virtual std::vector<SessionLine> take_last() = 0;
  // Places are small numbers, used again after erase(). What cannot be noted is not.
  virtual void note(std::size_t place, const SessionLine& line) = 0;
  virtual void erase(std::size_t place) = 0;
};

}  // namespace whimbrel
