#include "api/outbox.h"

#include <whimbrel/send_flags.h>

#include <algorithm>

#include "message/message.h"

namespace whimbrel {

namespace {

// The core has a place for them for as long as the session lasts, so it need not be asked again.
constexpr ChannelId kRememberedChannels = kKeptChannels;
static_assert(kRememberedChannels <= 64);

std::uint64_t channel_bit(ChannelId channel) {
  if (channel < 0 || channel >= kRememberedChannels) return 0;
  return std::uint64_t{1} << channel;
}

// False when it would be too much; then nothing is added.
bool reserve(SendGate& gate, std::uint64_t size) {
  const std::uint64_t max = gate.held_bytes_max.load(std::memory_order_relaxed);
  const std::uint64_t held = gate.held_bytes.fetch_add(size, std::memory_order_relaxed);
  if (held + size <= max) return true;
  gate.held_bytes.fetch_sub(size, std::memory_order_relaxed);
  return false;
}

}  // namespace

// Applications send many messages to one user, one after another.
Outbox::User* Outbox::find(const Identity& user) {
  if (last_ != nullptr && last_->first == user) return &last_->second;
  const auto it = users_.find(user);
  if (it == users_.end()) return nullptr;
  last_ = &*it;
  return &it->second;
}

Outbox::Push Outbox::push(const Identity& user, Bytes payload, int flags, ChannelId channel,
                          const SharedBytes* shared) {
  // A large payload is copied outside the lock.
  SharedBytes own;
  const bool large = shared == nullptr && payload.size() >= SlabAllocator::kOwnSlabMin;
  MutexLock lock(mutex_);
  User* known = find(user);
  if (known == nullptr || (known->channels & channel_bit(channel)) == 0 ||
      !known->gate->open.load(std::memory_order_acquire)) {
    return {};
  }
  SendGate& gate = *known->gate;
  if ((flags & kSendNoDelay) != 0 && !gate.no_delay_open.load(std::memory_order_relaxed)) return {};
  if (!reserve(gate, send_charge(payload.size()))) {
    return {.result = Result::kLimitExceeded, .driver = driver_, .full = known->gate};
  }
  if (large) {
    const Identity* key = &last_->first;
    ++large_pushes_;
    lock.unlock();
    own = SharedBytes::copy(payload);
    lock.lock();
    --large_pushes_;
    messages_.push_back({key, &gate, std::move(own), flags, channel});
  } else {
    messages_.push_back(
        {&last_->first, &gate, shared != nullptr ? *shared : slabs_.copy(payload), flags, channel});
  }
  return {.result = Result::kOk,
          .driver = driver_,
          .queued = messages_.size(),
          .gate = &gate,
          .full = nullptr};
}

void Outbox::learn(const Identity& user, std::shared_ptr<SendGate> gate, ChannelId channel) {
  if (gate == nullptr) return;
  const MutexLock lock(mutex_);
  if (users_.size() >= sweep_at_) sweep();
  User& known = users_[user];
  if (known.gate != gate) {
    if (known.gate != nullptr && named()) retired_.push_back(std::move(known.gate));
    known = {std::move(gate), 0};
  }
  known.channels |= channel_bit(channel);
}

// Forgets users whose session is over. Only while no queued message names one.
void Outbox::sweep() {
  if (named()) return;
  last_ = nullptr;
  std::erase_if(users_, [](const Users::value_type& user) {
    return !user.second.gate->open.load(std::memory_order_relaxed);
  });
  sweep_at_ = std::max(kUsersSweepMin, 2 * users_.size());
}

void Outbox::take(std::vector<Message>& out) {
  ASSERT(out.empty());
  const MutexLock lock(mutex_);
  if (!named()) retired_.clear();
  messages_.swap(out);
}

bool Outbox::set_driver(DriverState state) {
  const MutexLock lock(mutex_);
  if (state == DriverState::kAsleep && (std::exchange(called_, false) || !messages_.empty())) {
    return false;
  }
  if (state != DriverState::kAsleep) called_ = false;
  driver_ = state;
  return true;
}

bool Outbox::claim_wake() {
  const MutexLock lock(mutex_);
  called_ = driver_ == DriverState::kRunning;
  if (driver_ != DriverState::kAsleep) return false;
  driver_ = DriverState::kRunning;
  return true;
}

}  // namespace whimbrel
