#include "api/lobby_callbacks.h"

#include <algorithm>
#include <utility>

namespace whimbrel {

namespace {

// What an answer is beside its result.
struct Found {
  Lobby lobby;
  std::vector<LobbyListing> listing;
};

// Nothing to call: an empty function.
std::function<void()> bind_answer(LobbyCallbacks::Completion completion, LobbyResult result,
                                  Found found = {}) {
  if (auto* done = std::get_if<Lobbies::Done>(&completion)) {
    if (!*done) return {};
    return [call = std::move(*done), result] { call(result); };
  }
  if (auto* entered = std::get_if<Lobbies::Entered>(&completion)) {
    if (!*entered) return {};
    return [call = std::move(*entered), result, lobby = std::move(found.lobby)] {
      call(result, lobby);
    };
  }
  auto& listed = std::get<Lobbies::Listed>(completion);
  if (!listed) return {};
  return [call = std::move(listed), result, listing = std::move(found.listing)] {
    call(result, listing);
  };
}

}  // namespace

// --- calls ---------------------------------------------------------------------------------------

bool LobbyCallbacks::begin() {
  const MutexLock lock(mutex_);
  if (unanswered_ >= Lobbies::kUnansweredMax) return false;
  ++unanswered_;
  return true;
}

void LobbyCallbacks::expect(std::uint32_t request, Completion completion) {
  const MutexLock lock(mutex_);
  expected_.emplace(request, std::move(completion));
}

void LobbyCallbacks::answer(Completion completion, LobbyResult result) {
  const MutexLock lock(mutex_);
  tell(bind_answer(std::move(completion), result));
}

void LobbyCallbacks::on_event(OnEvent callback) {
  auto shared = callback ? std::make_shared<const OnEvent>(std::move(callback)) : nullptr;
  const MutexLock lock(mutex_);
  on_event_.swap(shared);
}

// --- what comes ----------------------------------------------------------------------------------

void LobbyCallbacks::take(rendezvous::LobbyClient& client) {
  auto event = client.poll_event();
  if (!event) return;
  const MutexLock lock(mutex_);
  for (; event; event = client.poll_event()) {
    std::visit([&](const auto& one) REQUIRES(mutex_) { on(one, client); }, *event);
  }
}

void LobbyCallbacks::tell(Told told) {
  told_.push_back(std::move(told));
  told_count_.fetch_add(1, std::memory_order_release);
  due_.store(told_.size(), std::memory_order_release);
}

void LobbyCallbacks::tell_event(LobbyEvent event) {
  if (on_event_ == nullptr) return;
  if (events_ >= Lobbies::kEventsMax) {
    const auto oldest = std::find_if(told_.begin(), told_.end(), [](const Told& one) {
      return std::holds_alternative<LobbyEvent>(one);
    });
    told_.erase(oldest);
    --events_;
  }
  ++events_;
  tell(std::move(event));
}

LobbyCallbacks::Completion LobbyCallbacks::take_completion(std::uint32_t request) {
  const auto at = expected_.find(request);
  if (at == expected_.end()) return Lobbies::Done();
  Completion completion = std::move(at->second);
  expected_.erase(at);
  return completion;
}

void LobbyCallbacks::on(const rendezvous::LobbyDoneEvent& event, const rendezvous::LobbyClient&) {
  tell(bind_answer(take_completion(event.request), event.result));
}

void LobbyCallbacks::on(const rendezvous::LobbyEnteredEvent& event,
                        const rendezvous::LobbyClient& client) {
  if (event.request == 0) {
    return tell_event({.kind = LobbyEvent::Kind::kReturned, .lobby = event.lobby});
  }
  const Lobby* lobby = client.find(event.lobby);
  Found found;
  found.lobby.id = event.lobby;
  if (lobby != nullptr) found.lobby = *lobby;
  tell(bind_answer(take_completion(event.request), LobbyResult::kOk, std::move(found)));
}

void LobbyCallbacks::on(const rendezvous::LobbyListedEvent& event, const rendezvous::LobbyClient&) {
  Found found;
  for (const rendezvous::LobbyInfo& info : event.lobbies) {
    LobbyListing& line = found.listing.emplace_back(
        LobbyListing{info.lobby, info.member_count, info.members_max, {}});
    for (const rendezvous::LobbyDatum& datum : info.data) line.data[datum.key] = datum.value;
  }
  tell(bind_answer(take_completion(event.request), LobbyResult::kOk, std::move(found)));
}

void LobbyCallbacks::on(const rendezvous::LobbyJoinedEvent& event, const rendezvous::LobbyClient&) {
  tell_event({.kind = LobbyEvent::Kind::kMemberJoined, .lobby = event.lobby, .user = event.member});
}

void LobbyCallbacks::on(const rendezvous::LobbyLeftEvent& event, const rendezvous::LobbyClient&) {
  tell_event({.kind = LobbyEvent::Kind::kMemberLeft,
              .lobby = event.lobby,
              .user = event.member,
              .why = event.why});
}

void LobbyCallbacks::on(const rendezvous::LobbyDataEvent& event, const rendezvous::LobbyClient&) {
  tell_event(
      {.kind = event.member ? LobbyEvent::Kind::kMemberDataChanged : LobbyEvent::Kind::kDataChanged,
       .lobby = event.lobby,
       .user = event.member.value_or(Identity()),
       .key = event.key,
       .removed = event.removed,
       .body = {event.value.begin(), event.value.end()}});
}

void LobbyCallbacks::on(const rendezvous::LobbyChatEvent& event, const rendezvous::LobbyClient&) {
  tell_event({.kind = LobbyEvent::Kind::kChat,
              .lobby = event.lobby,
              .user = event.from,
              .body = event.body});
}

void LobbyCallbacks::on(const rendezvous::LobbyChangedEvent& event,
                        const rendezvous::LobbyClient&) {
  tell_event({.kind = LobbyEvent::Kind::kConfigured, .lobby = event.lobby});
}

void LobbyCallbacks::on(const rendezvous::LobbyGoneEvent& event, const rendezvous::LobbyClient&) {
  // Whoever leaves has the answer to that.
  if (event.why == LobbyLeaveWhy::kLeft) return;
  tell_event({.kind = LobbyEvent::Kind::kLost, .lobby = event.lobby, .why = event.why});
}

// --- running -------------------------------------------------------------------------------------

std::size_t LobbyCallbacks::run() {
  std::size_t ran = 0;
  MutexLock lock(mutex_);
  for (std::size_t left = told_.size(); left > 0 && !told_.empty(); --left) {
    const Told told = std::move(told_.front());
    told_.pop_front();
    due_.store(told_.size(), std::memory_order_release);
    const auto* event = std::get_if<LobbyEvent>(&told);
    --(event != nullptr ? events_ : unanswered_);
    const auto callback = on_event_;
    lock.unlock();
    if (event == nullptr) {
      if (const Answer& answer = std::get<Answer>(told)) answer(), ++ran;
    } else if (callback != nullptr) {
      (*callback)(*event);
      ++ran;
    }
    lock.lock();
  }
  return ran;
}

}  // namespace whimbrel
