#include "relay/leg_bindings.h"

#include <algorithm>

namespace whimbrel::relay {

namespace {

constexpr Duration kBindRetryFirst = milliseconds(200);
constexpr Duration kBindRetryMax = seconds(2);
constexpr std::size_t kBindingsMax = 1024;

}  // namespace

bool LegBindings::add(const Grant& grant, Instant now) {
  const auto known = bindings_.find(grant.slot);
  const bool is_new = known == bindings_.end();
  if (is_new && bindings_.size() >= kBindingsMax) return false;
  const bool asked = !is_new && std::holds_alternative<Asked>(known->second.answer);
  // It is asked for again when it is time.
  if (asked && known->second.grant == grant) return true;
  if (!is_new && !asked && known->second.grant.epoch == grant.epoch) return true;
  bindings_.insert_or_assign(grant.slot, Binding{grant, Asked{now, kBindRetryFirst}});
  if (!asked) ++asked_;
  return true;
}

std::optional<std::uint16_t> LegBindings::handle_of(SlotId slot) const {
  const auto at = bindings_.find(slot);
  if (at == bindings_.end()) return std::nullopt;
  const auto* handle = std::get_if<std::uint16_t>(&at->second.answer);
  return handle == nullptr ? std::nullopt : std::optional(*handle);
}

bool LegBindings::answered(SlotId slot, BindResult result, std::uint16_t handle) {
  const auto at = bindings_.find(slot);
  if (at == bindings_.end() || !std::holds_alternative<Asked>(at->second.answer)) return false;
  if (result == BindResult::kBound) {
    at->second.answer = handle;
    --asked_;
  } else {
    remove(slot);
  }
  return true;
}

void LegBindings::remove(SlotId slot) {
  const auto at = bindings_.find(slot);
  if (at == bindings_.end()) return;
  if (std::holds_alternative<Asked>(at->second.answer)) --asked_;
  bindings_.erase(at);
}

Instant LegBindings::ask_at() const {
  Instant next = kNever;
  if (asked_ == 0) return next;
  for (const auto& [slot, binding] : bindings_) {
    if (const auto* asked = std::get_if<Asked>(&binding.answer))
      next = std::min(next, asked->again_at);
  }
  return next;
}

std::vector<Grant> LegBindings::take_due(Instant now) {
  std::vector<Grant> due;
  for (auto& [slot, binding] : bindings_) {
    auto* asked = std::get_if<Asked>(&binding.answer);
    if (asked == nullptr || now < asked->again_at) continue;
    due.push_back(binding.grant);
    asked->again_at = now + asked->wait;
    asked->wait = std::min(asked->wait * 2, kBindRetryMax);
  }
  return due;
}

void LegBindings::ask_again(Instant now) {
  for (auto& [slot, binding] : bindings_) {
    if (auto* asked = std::get_if<Asked>(&binding.answer)) asked->again_at = now;
  }
}

}  // namespace whimbrel::relay
