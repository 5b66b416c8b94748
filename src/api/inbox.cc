#include "api/inbox.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "api/message_access.h"

namespace whimbrel {

void Inbox::set_report_thresholds(std::uint64_t bytes, std::uint64_t messages) {
  const MutexLock lock(mutex_);
  report_bytes_ = std::max<std::uint64_t>(1, bytes);
  report_messages_ = std::max<std::uint64_t>(1, messages);
}

void Inbox::set_user_limits(std::uint64_t bytes, std::uint64_t messages) {
  const MutexLock lock(mutex_);
  user_bytes_max_ = bytes;
  user_messages_max_ = messages;
}

Inbox::Channel* Inbox::find(ChannelId id) {
  if (id >= 0 && id < kDirectChannels) return &direct_[static_cast<std::size_t>(id)];
  const auto it = other_.find(id);
  return it == other_.end() ? nullptr : &it->second;
}

Inbox::Channel& Inbox::channel(ChannelId id) {
  Channel* known = find(id);
  return known != nullptr ? *known : other_[id];
}

void Inbox::show(Channel& channel) {
  const bool shown = channel.heeded && !channel.queue.empty();
  if (shown == channel.shown) return;
  channel.shown = shown;
  shown_channels_.fetch_add(shown ? 1 : std::size_t(-1), std::memory_order_release);
}

void Inbox::publish_news() {
  news_.store(empty() ? 0 : newest_, std::memory_order_release);
  if (empty()) shows_once_.store(false, std::memory_order_release);
}

// Nothing is unread. Over so many channels the next ones are treated as if nobody read them.
void Inbox::heed(ChannelId id) {
  const bool direct = id >= 0 && id < kDirectChannels;
  if (direct && (heeded_direct_.load(std::memory_order_relaxed) & 1u << id) != 0) return;
  const MutexLock lock(mutex_);
  if (!direct && find(id) == nullptr && other_.size() > kOtherChannelsKept) return;
  Channel& read = channel(id);
  read.heeded = read.read_lately = true;
  if (direct) heeded_direct_.fetch_or(1u << id, std::memory_order_relaxed);
  show(read);
}

std::uint64_t Inbox::note_call() {
  if (!shows_once_.load(std::memory_order_acquire)) return 0;
  const MutexLock lock(mutex_);
  shows_once_.store(false, std::memory_order_release);
  return shown_channels_.load(std::memory_order_relaxed) == 0 ? news() : 0;
}

void Inbox::end_turn() {
  const MutexLock lock(mutex_);
  const auto end = [this](Channel& channel) REQUIRES(mutex_) {
    if (!channel.read_lately && !channel.queue.empty()) channel.heeded = false;
    channel.read_lately = false;
    show(channel);
  };
  for (std::size_t id = 0; id < direct_.size(); ++id) {
    end(direct_[id]);
    if (!direct_[id].heeded) heeded_direct_.fetch_and(~(1u << id), std::memory_order_relaxed);
  }
  for (auto& [id, channel] : other_) end(channel);
}

Inbox::Session* Inbox::session_of(SessionId id, const UserOf& user_of) {
  if (last_ != nullptr && last_->id == id) return last_;
  if (sessions_.size() >= sweep_at_) sweep();
  const auto [it, is_new] = sessions_.try_emplace(static_cast<std::uint64_t>(id));
  if (is_new) {
    it->second.id = id;
    const Sender sender = user_of(id);
    it->second.user_data = sender.user_data;
    it->second.entry = &*users_.try_emplace(sender.user).first;
    auto& sessions = it->second.held().sessions;
    std::erase_if(sessions, [](const Session* one) { return one->queued == 0; });
  }
  last_ = &it->second;
  return last_;
}

void Inbox::set_user_data(SessionId session, std::int64_t data, const UserOf& user_of) {
  const MutexLock lock(mutex_);
  session_of(session, user_of)->user_data = data;
}

void Inbox::deliver(std::vector<DeliveredMessage>& delivered, const UserOf& user_of) {
  if (delivered.empty()) return;
  MutexLock lock(mutex_);
  size_.fetch_add(delivered.size(), std::memory_order_release);
  for (DeliveredMessage& one : delivered) {
    Session* session = session_of(one.session, user_of);
    add(*session, one.message);
    Channel& to = channel(one.message.channel);
    to.queue.push_back({session, std::move(one.message)});
    if (!to.heeded) shows_once_.store(true, std::memory_order_release);
    show(to);
    if (session->held().sessions.size() > 1) limit_user(session->held());
  }
  delivered.clear();
  if (size() > look_at_messages_ || bytes_ > look_at_bytes_) limit_ended(user_of);
  ++newest_;
  publish_news();
  if (evictions_.empty()) return;
  const std::vector<Eviction> evictions = std::exchange(evictions_, {});
  lock.unlock();
  if (!on_eviction_) return;
  for (const Eviction& one : evictions) on_eviction_(one);
}

void Inbox::note_eviction(const Identity& user, std::uint64_t messages, std::size_t users) {
  evicted_ += messages;
  evictions_.push_back({user, messages, users});
}

void Inbox::add(Session& session, const ReceivedMessage& message) {
  const std::size_t size = message.payload.size();
  Held& held = session.held();
  auto& listed = held.sessions;
  if (session.queued++ == 0 && std::find(listed.begin(), listed.end(), &session) == listed.end()) {
    listed.push_back(&session);  // it was drained when another one came, and is up still
  }
  session.queued_bytes += size;
  ++held.messages;
  held.bytes += size;
  bytes_ += size;
}

void Inbox::remove(Session& session, const ReceivedMessage& message) {
  const std::size_t size = message.payload.size();
  Held& held = session.held();
  --session.queued;
  session.queued_bytes -= size;
  --held.messages;
  held.bytes -= size;
  bytes_ -= size;
  note_consumed(session, message);
}

// Sessions go whole: what is left of a user has no gaps.
void Inbox::limit_user(Held& held) {
  auto& sessions = held.sessions;
  while (sessions.size() > 1 &&
         (held.messages > user_messages_max_ || held.bytes > user_bytes_max_)) {
    sessions.front()->dropping = true;
    if (sessions.front()->queued > 0) note_eviction(sessions.front()->user(), drop_marked(), 1);
    sessions.front()->dropping = false;
    sessions.erase(sessions.begin());
  }
}

void Inbox::limit_ended(const UserOf& user_of) {
  std::vector<Session*> ended;
  std::uint64_t bytes = 0;
  std::uint64_t messages = 0;
  for (auto& [id, session] : sessions_) {
    if (session.queued == 0 || user_of(session.id).user.valid()) continue;
    ended.push_back(&session);
    bytes += session.queued_bytes;
    messages += session.queued;
  }
  if (bytes > kEndedBytesMax || messages > kEndedMessagesMax) {
    std::sort(ended.begin(), ended.end(),
              [](const Session* a, const Session* b) { return a->id < b->id; });
    std::unordered_set<const Held*> users;
    for (Session* oldest : ended) {
      if (bytes <= kEndedBytesMax / 2 && messages <= kEndedMessagesMax / 2) break;
      oldest->dropping = true;
      users.insert(&oldest->held());
      bytes -= oldest->queued_bytes;
      messages -= oldest->queued;
    }
    note_eviction(ended.front()->user(), drop_marked(), users.size());
    for (Session* one : ended) one->dropping = false;
  }
  // Not again for each batch where what is here is of sessions that are up.
  look_at_bytes_ = std::max(kEndedBytesMax, bytes_ + kEndedBytesMax / 2);
  look_at_messages_ = std::max<std::uint64_t>(kEndedMessagesMax, size() + kEndedMessagesMax / 2);
}

std::size_t Inbox::take(ChannelId id, std::span<Message> out, bool* report) {
  *report = false;
  if (empty()) {
    heed(id);
    return 0;
  }
  const MutexLock lock(mutex_);
  Channel* from = find(id);
  if (from == nullptr && other_.size() <= kOtherChannelsKept) from = &channel(id);
  if (from == nullptr) return 0;
  from->heeded = from->read_lately = true;
  const std::size_t count = std::min(out.size(), from->queue.size());
  bool crowded = false;
  const Session* last = nullptr;
  for (std::size_t i = 0; i < count; ++i) {
    Entry entry = from->queue.pop_front();
    Session& session = *entry.session;
    remove(session, entry.message);
    *report = *report || session.unreported_bytes >= report_bytes_ ||
              session.unreported_messages >= report_messages_;
    // What is taken moves from one of its sums to the other.
    if (&session != last) crowded = crowded || is_crowded(session);
    last = &session;
    MessageAccess::fill(out[i], std::move(entry.message), session.user(), session.user_data);
  }
  size_.fetch_sub(count, std::memory_order_release);
  *report = *report || (crowded && from->queue.empty());
  show(*from);
  if (count > 0 && !from->queue.empty()) ++newest_;
  if (count > 0) publish_news();
  if (from->queue.empty() && other_.size() > kOtherChannelsKept) other_.erase(id);
  return count;
}

// So much of it is here, on other channels, that its peer may wait for word of every message that
// is read.
bool Inbox::is_crowded(const Session& session) const {
  return session.queued_bytes + session.unreported_bytes >= report_bytes_ ||
         session.queued + session.unreported_messages >= report_messages_;
}

// Messages of one session and channel mostly come in a row.
void Inbox::note_consumed(Session& session, const ReceivedMessage& message) {
  session.unreported_bytes += message.payload.size();
  ++session.unreported_messages;
  if (!consumed_.empty()) {
    Consumed& last = consumed_.back();
    if (last.session == session.id && last.place == message.place &&
        last.reliable == message.reliable) {
      last.bytes += message.payload.size();
      ++last.messages;
      return;
    }
  }
  consumed_.push_back({session.id, message.place, message.reliable, message.payload.size(), 1});
}

void Inbox::take_consumed(std::vector<Consumed>& out) {
  const MutexLock lock(mutex_);
  for (const Consumed& one : consumed_) {
    const auto it = sessions_.find(static_cast<std::uint64_t>(one.session));
    if (it == sessions_.end()) continue;
    it->second.unreported_bytes = 0;
    it->second.unreported_messages = 0;
  }
  out.insert(out.end(), consumed_.begin(), consumed_.end());
  consumed_.clear();
}

std::size_t Inbox::drop_from(Channel& channel) {
  Queue& from = channel.queue;
  std::size_t dropped = 0;
  for (std::size_t left = from.size(); left > 0; --left) {
    Entry entry = from.pop_front();
    if (!entry.session->dropping) {
      from.push_back(std::move(entry));
      continue;
    }
    remove(*entry.session, entry.message);
    ++dropped;
  }
  size_.fetch_sub(dropped, std::memory_order_release);
  show(channel);
  publish_news();
  return dropped;
}

std::size_t Inbox::drop_marked() {
  std::size_t dropped = 0;
  for (Channel& from : direct_) dropped += drop_from(from);
  for (auto& [channel, from] : other_) dropped += drop_from(from);
  if (other_.size() > kOtherChannelsKept) {
    std::erase_if(other_, [](const auto& entry) { return entry.second.queue.empty(); });
  }
  return dropped;
}

void Inbox::drop(const Identity& user) {
  const MutexLock lock(mutex_);
  const auto it = users_.find(user);
  if (it == users_.end() || it->second.messages == 0) return;
  for (Session* session : it->second.sessions) session->dropping = true;
  drop_marked();
  for (Session* session : it->second.sessions) session->dropping = false;
}

void Inbox::drop(SessionId session, ChannelId channel) {
  const MutexLock lock(mutex_);
  const auto it = sessions_.find(static_cast<std::uint64_t>(session));
  if (it == sessions_.end() || it->second.queued == 0) return;
  it->second.dropping = true;
  Channel* from = find(channel);
  if (from != nullptr) {
    drop_from(*from);
    const bool direct = channel >= 0 && channel < kDirectChannels;
    if (!direct && from->queue.empty() && other_.size() > kOtherChannelsKept) other_.erase(channel);
  }
  it->second.dropping = false;
}

std::uint64_t Inbox::evicted() const {
  const MutexLock lock(mutex_);
  return evicted_;
}

std::size_t Inbox::size_of(ChannelId channel) const {
  const MutexLock lock(mutex_);
  if (channel >= 0 && channel < kDirectChannels) {
    return direct_[static_cast<std::size_t>(channel)].queue.size();
  }
  const auto it = other_.find(channel);
  return it == other_.end() ? 0 : it->second.queue.size();
}

// Sessions with nothing here are asked for again when they deliver.
void Inbox::sweep() {
  last_ = nullptr;
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    Session& session = it->second;
    if (session.queued > 0 || session.unreported_messages > 0) {
      ++it;
      continue;
    }
    std::erase(session.held().sessions, &session);
    it = sessions_.erase(it);
  }
  // A session that is not in its user's list any more may still be here, until its last words are
  // told.
  std::unordered_set<const Held*> used;
  for (const auto& [id, session] : sessions_) used.insert(&session.held());
  std::erase_if(users_, [&](const auto& entry) { return !used.contains(&entry.second); });
  sweep_at_ = std::max(kSessionsSweepMin, 2 * sessions_.size());
}

}  // namespace whimbrel
