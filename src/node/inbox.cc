#include "node/inbox.h"

#include <algorithm>

#include "node/message_access.h"

namespace whimbrel {

void Inbox::set_report_thresholds(std::uint64_t bytes, std::uint64_t messages) {
  const std::lock_guard lock(mutex_);
  report_bytes_ = std::max<std::uint64_t>(1, bytes);
  report_messages_ = std::max<std::uint64_t>(1, messages);
}

Inbox::Queue& Inbox::queue(ChannelId channel) {
  if (channel >= 0 && channel < kDirectChannels) return direct_[static_cast<std::size_t>(channel)];
  return other_[channel];
}

Inbox::Session* Inbox::session_of(SessionId id, const UserOf& user_of) {
  if (last_ != nullptr && last_->id == id) return last_;
  if (sessions_.size() >= sweep_at_) sweep();
  const auto [it, is_new] = sessions_.try_emplace(static_cast<std::uint64_t>(id));
  if (is_new) {
    it->second.id = id;
    it->second.user = user_of(id);
  }
  last_ = &it->second;
  return last_;
}

void Inbox::deliver(std::vector<DeliveredMessage>& delivered, const UserOf& user_of) {
  if (delivered.empty()) return;
  const std::lock_guard lock(mutex_);
  for (DeliveredMessage& one : delivered) {
    Session* session = session_of(one.session, user_of);
    ++session->queued;
    queue(one.message.channel).push_back({session, std::move(one.message)});
  }
  size_.fetch_add(delivered.size(), std::memory_order_release);
  delivered.clear();
}

std::size_t Inbox::take(ChannelId channel, std::span<Message> out, bool* report) {
  *report = false;
  if (empty()) return 0;
  const std::lock_guard lock(mutex_);
  Queue* from = nullptr;
  if (channel >= 0 && channel < kDirectChannels) {
    from = &direct_[static_cast<std::size_t>(channel)];
  } else if (const auto it = other_.find(channel); it != other_.end()) {
    from = &it->second;
  }
  if (from == nullptr) return 0;
  const std::size_t count = std::min(out.size(), from->size());
  for (std::size_t i = 0; i < count; ++i) {
    Entry entry = from->pop_front();
    Session& session = *entry.session;
    --session.queued;
    note_consumed(session, entry.message);
    *report = *report || session.unreported_bytes >= report_bytes_ ||
              session.unreported_messages >= report_messages_;
    MessageAccess::fill(out[i], std::move(entry.message), session.user);
  }
  size_.fetch_sub(count, std::memory_order_release);
  if (from->empty() && other_.size() > kOtherChannelsKept) other_.erase(channel);
  return count;
}

// Messages of one session and channel mostly come in a row.
void Inbox::note_consumed(Session& session, const ReceivedMessage& message) {
  session.unreported_bytes += message.payload.size();
  ++session.unreported_messages;
  if (!consumed_.empty()) {
    Consumed& last = consumed_.back();
    if (last.session == session.id && last.channel == message.channel &&
        last.reliable == message.reliable) {
      last.bytes += message.payload.size();
      ++last.messages;
      return;
    }
  }
  consumed_.push_back({session.id, message.channel, message.reliable, message.payload.size(), 1});
}

void Inbox::take_consumed(std::vector<Consumed>& out) {
  const std::lock_guard lock(mutex_);
  for (const Consumed& one : consumed_) {
    const auto it = sessions_.find(static_cast<std::uint64_t>(one.session));
    if (it == sessions_.end()) continue;
    it->second.unreported_bytes = 0;
    it->second.unreported_messages = 0;
  }
  out.insert(out.end(), consumed_.begin(), consumed_.end());
  consumed_.clear();
}

void Inbox::drop_from(Queue& from, SessionId session) {
  std::size_t dropped = 0;
  for (std::size_t left = from.size(); left > 0; --left) {
    Entry entry = from.pop_front();
    if (entry.session->id != session) {
      from.push_back(std::move(entry));
      continue;
    }
    --entry.session->queued;
    note_consumed(*entry.session, entry.message);
    ++dropped;
  }
  size_.fetch_sub(dropped, std::memory_order_release);
}

void Inbox::drop_all_of(SessionId session) {
  for (Queue& from : direct_) drop_from(from, session);
  for (auto& [channel, from] : other_) drop_from(from, session);
}

void Inbox::drop(SessionId session) {
  const std::lock_guard lock(mutex_);
  const auto it = sessions_.find(static_cast<std::uint64_t>(session));
  if (it == sessions_.end() || it->second.queued == 0) return;
  drop_all_of(session);
}

void Inbox::drop(const Identity& user) {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, session] : sessions_) {
    if (session.queued > 0 && session.user == user) drop_all_of(session.id);
  }
}

void Inbox::drop(SessionId session, ChannelId channel) {
  const std::lock_guard lock(mutex_);
  drop_from(queue(channel), session);
}

std::size_t Inbox::size_of(ChannelId channel) const {
  const std::lock_guard lock(mutex_);
  if (channel >= 0 && channel < kDirectChannels) {
    return direct_[static_cast<std::size_t>(channel)].size();
  }
  const auto it = other_.find(channel);
  return it == other_.end() ? 0 : it->second.size();
}

// Sessions with nothing here are asked for again when they deliver.
void Inbox::sweep() {
  last_ = nullptr;
  std::erase_if(sessions_, [](const auto& entry) {
    return entry.second.queued == 0 && entry.second.unreported_messages == 0;
  });
  sweep_at_ = std::max(kSessionsSweepMin, 2 * sessions_.size());
}

}  // namespace whimbrel
