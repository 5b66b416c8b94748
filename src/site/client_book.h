// Where a server notes its clients, so that after a restart it can tell them that it has lost their
// sessions. They then log in again at once, not only when their next ping stays without an answer.
#pragma once

#include <cstddef>
#include <vector>

#include "endpoint/endpoint.h"

namespace whimbrel {

class ClientBook {
 public:
  virtual ~ClientBook() = default;
  // The clients of the last life, if that ended a moment ago. Only the first call returns them; the
  // book is empty afterwards.
  virtual std::vector<SessionLine> take_last() = 0;
  // Places are small numbers, used again after erase(). If the note cannot be written, it is left
  // out.
  virtual void note(std::size_t place, const SessionLine& line) = 0;
  virtual void erase(std::size_t place) = 0;
};

}  // namespace whimbrel
