// The slots of others that a leg may send to. Each one is asked for with a grant until the relay
// answers.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <variant>
#include <vector>

#include "base/time.h"
#include "relay/grant.h"

namespace whimbrel::relay {

class LegBindings {
 public:
  // Asks for it from now on, unless that is done or known already. False: there is no room.
  bool add(const Grant& grant, Instant now);
  bool contains(SlotId slot) const { return bindings_.contains(slot); }
  // The relay's number for it. Nothing: not bound.
  std::optional<std::uint16_t> handle_of(SlotId slot) const;
  // The relay has answered. False: nobody waits for that.
  bool answered(SlotId slot, BindResult result, std::uint16_t handle);
  void remove(SlotId slot);

  // When the relay is to be asked; kNever if it has answered for all of them.
  Instant ask_at() const;
  // The grants that it is to be asked with now; each is due again when its pause is over.
  std::vector<Grant> take_due(Instant now);
  // The relay was out of reach: it is asked at once for all that it has not answered for.
  void ask_again(Instant now);

 private:
  struct Asked {
    Instant again_at;
    Duration wait;  // after that
  };
  struct Binding {
    Grant grant;
    std::variant<Asked, std::uint16_t> answer;  // the handle, once it is there
  };

  std::map<SlotId, Binding> bindings_;
  std::size_t asked_ = 0;  // those without an answer
};

}  // namespace whimbrel::relay
