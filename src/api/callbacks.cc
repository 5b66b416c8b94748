#include "api/callbacks.h"

#include <algorithm>

namespace whimbrel {

// The one before is let go without the lock: what it holds may call back in here.
template <typename Function>
void Callbacks::put(Function callback, std::shared_ptr<const Function> Callbacks::*place) {
  auto shared = callback ? std::make_shared<const Function>(std::move(callback)) : nullptr;
  const MutexLock lock(mutex_);
  (this->*place).swap(shared);
  recount();
}

void Callbacks::on_request(OnRequest callback) {
  put(std::move(callback), &Callbacks::on_request_);
}
void Callbacks::on_failed(OnFailed callback) { put(std::move(callback), &Callbacks::on_failed_); }
void Callbacks::on_changed(OnChanged callback) {
  put(std::move(callback), &Callbacks::on_changed_);
}
void Callbacks::on_status(OnStatus callback) { put(std::move(callback), &Callbacks::on_status_); }
void Callbacks::on_presence(OnPresence callback) {
  put(std::move(callback), &Callbacks::on_presence_);
}

void Callbacks::post_presence(const Identity& user, bool online) {
  const MutexLock lock(mutex_);
  std::erase_if(presence_, [&](const auto& one) { return one.first == user; });
  presence_.emplace_back(user, online);
  recount();
}

void Callbacks::drop_presence(const Identity& user) {
  const MutexLock lock(mutex_);
  std::erase_if(presence_, [&](const auto& one) { return one.first == user; });
  count();
}

void Callbacks::post_status(ServerStatus status) {
  const MutexLock lock(mutex_);
  status_ = std::move(status);
  recount();
}

bool Callbacks::wanted(const Event& event) const {
  if (std::holds_alternative<SessionRequestEvent>(event)) return on_request_ != nullptr;
  if (std::holds_alternative<SessionChangedEvent>(event)) return on_changed_ != nullptr;
  return on_failed_ != nullptr;
}

void Callbacks::recount() {
  posted_.fetch_add(1, std::memory_order_release);
  count();
}

void Callbacks::count() {
  const auto count =
      std::count_if(events_.begin(), events_.end(),
                    [this](const Event& event) REQUIRES(mutex_) { return wanted(event); });
  const bool status = status_ && on_status_;
  const std::size_t presence = on_presence_ ? presence_.size() : 0;
  due_.store(static_cast<std::size_t>(count) + (status ? 1 : 0) + presence,
             std::memory_order_release);
}

void Callbacks::drop_one() {
  auto gone = std::find_if(events_.begin(), events_.end(), [](const Event& event) {
    return std::holds_alternative<SessionRequestEvent>(event);
  });
  if (gone == events_.end()) gone = events_.begin();
  if (wanted(*gone)) due_.fetch_sub(1, std::memory_order_release);
  events_.erase(gone);
}

void Callbacks::post(Event event) {
  const MutexLock lock(mutex_);
  if (events_.size() >= kEventsMax) drop_one();
  posted_.fetch_add(1, std::memory_order_release);
  if (wanted(event)) due_.fetch_add(1, std::memory_order_release);
  events_.push_back(std::move(event));
}

bool Callbacks::run_status() {
  MutexLock lock(mutex_);
  const auto callback = on_status_;
  if (!status_ || !callback) return false;
  const ServerStatus status = std::move(*status_);
  status_.reset();
  count();
  lock.unlock();
  (*callback)(status);
  return true;
}

std::size_t Callbacks::run_presence() {
  MutexLock lock(mutex_);
  std::size_t ran = 0;
  for (std::size_t left = presence_.size(); left > 0 && !presence_.empty(); --left) {
    const auto callback = on_presence_;
    if (!callback) break;
    const auto [user, online] = std::move(presence_.front());
    presence_.pop_front();
    count();
    lock.unlock();
    (*callback)(user, online);
    lock.lock();
    ++ran;
  }
  return ran;
}

std::size_t Callbacks::run() {
  const std::size_t ran = run_status() ? 1 : 0;
  return ran + run_presence() + run_events();
}

std::size_t Callbacks::run_events() {
  MutexLock lock(mutex_);
  std::size_t ran = 0;
  for (std::size_t left = events_.size(); left > 0 && !events_.empty(); --left) {
    const Event event = std::move(events_.front());
    events_.pop_front();
    if (!wanted(event)) continue;
    due_.fetch_sub(1, std::memory_order_release);
    const auto request_callback = on_request_;
    const auto failed_callback = on_failed_;
    const auto changed_callback = on_changed_;
    lock.unlock();
    if (const auto* request = std::get_if<SessionRequestEvent>(&event)) {
      (*request_callback)(request->identity);
    } else if (const auto* changed = std::get_if<SessionChangedEvent>(&event)) {
      (*changed_callback)(changed->info.identity, changed->info.state, changed->info);
    } else {
      (*failed_callback)(std::get<SessionFailedEvent>(event).info);
    }
    ++ran;
    lock.lock();
  }
  return ran;
}

}  // namespace whimbrel
