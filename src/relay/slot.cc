#include "relay/slot.h"

#include <algorithm>

namespace whimbrel::relay {

void SlotRates::fill(Instant now) {
  const double elapsed = static_cast<double>((now - filled_).count()) * 1e-9;
  bytes_ = std::min(bytes_max(), static_cast<float>(bytes_ + bytes_per_second_ * elapsed));
  packets_ = std::min(packets_max(), static_cast<float>(packets_ + packets_per_second_ * elapsed));
  filled_ = now;
}

std::uint16_t Slot::handle_for(SlotId slot) {
  const std::size_t count = kInlineBindings + (more_bindings ? more_bindings->size() : 0);
  std::size_t free = count;
  for (std::size_t handle = 0; handle < count; ++handle) {
    const Binding* known = binding(static_cast<std::uint16_t>(handle));
    if (known == nullptr) {
      free = std::min(free, handle);
    } else if (known->slot == slot) {
      return static_cast<std::uint16_t>(handle);
    }
  }
  return static_cast<std::uint16_t>(std::min(free, kBindingsMax));
}

Binding& Slot::binding_at(std::uint16_t handle) {
  if (handle < kInlineBindings) return bindings[handle];
  if (!more_bindings) more_bindings = std::make_unique<std::vector<Binding>>();
  const std::size_t place = handle - kInlineBindings;
  if (more_bindings->size() <= place) more_bindings->resize(place + 1);
  return (*more_bindings)[place];
}

void Slot::unbind(std::uint16_t handle) {
  if (binding(handle) != nullptr) binding_at(handle) = Binding();
}

}  // namespace whimbrel::relay
