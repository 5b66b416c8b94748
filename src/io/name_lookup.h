// One name, looked up by a thread of its own: the system's resolver may take seconds, and cannot be
// interrupted.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/expected.h"
#include "base/ip_address.h"

namespace whimbrel {

class NameLookup {
 public:
  using Answer = Expected<std::vector<IpAddress>>;
  // Runs on the thread that looks up: nothing that it refers to may end before it does.
  using Resolve = std::function<Answer()>;

  // `wake` is called on that thread when there is an answer, never after the destructor.
  NameLookup(Resolve resolve, std::function<void()> wake);
  // Does not wait for a lookup that is under way.
  ~NameLookup();
  NameLookup(const NameLookup&) = delete;
  NameLookup& operator=(const NameLookup&) = delete;

  // Nothing while one is under way, or where the system has no thread left.
  void start();
  // The answer of the last one, once.
  std::optional<Answer> take();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace whimbrel
