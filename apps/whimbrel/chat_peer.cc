#include "chat_peer.h"

#include <fmt/core.h>

#include <utility>

#include "peer_watch.h"
#include "text.h"

using namespace std::chrono_literals;
using whimbrel::ConnectionInfo;
using whimbrel::ConnectionState;
using whimbrel::ConnectionStatus;
using whimbrel::Result;

namespace {

// The library waits longer by itself after several dials in vain.
constexpr auto kDialInterval = 250ms;
// A program that chats answers a first word at once.
constexpr auto kWordPatience = 1s;
// What has been delivered by then needs no word about being kept.
constexpr auto kKeptPatience = 1s;

std::string lines_text(std::size_t count) {
  return count == 1 ? "1 line" : fmt::format("{} lines", count);
}

// Dialling again would end in the same way.
bool is_final(const ConnectionInfo& info) {
  return info.end_reason == whimbrel::kEndRemoteElsewhere ||
         info.end_reason == whimbrel::kEndRemoteBadCert ||
         info.end_reason == whimbrel::kEndRemoteBadVersion ||
         info.end_reason == whimbrel::kEndMiscGeneric;
}

bool is_of_the_application(int reason) {
  return reason >= whimbrel::kEndAppGeneric && reason < whimbrel::kEndAppException + 1000;
}

}  // namespace

ChatPeer::ChatPeer(ChatPlace& place, const whimbrel::Identity& who, bool called)
    : place_(place), who_(who), name_(short_name(who)), called_(called), wanted_(called) {
  if (called) place_.screen.tell(fmt::format("waiting for {}", name_));
  if (place_.has_server) place_.net.watch(who_);
}

ChatPeer::~ChatPeer() {
  if (place_.has_server) place_.net.watch(who_, false);
}

bool ChatPeer::restless() const {
  const bool settling = live_ && connected_ && (!here_ || !(in_step_ || wordless_));
  return settling || owes_word_ || (!live_ && wanted_) || !kept_.empty();
}

// --- what happens --------------------------------------------------------------------------------

void ChatPeer::say(std::string line) {
  if (line.size() > whimbrel::kMessageBytesMax) {
    place_.failed = true;
    return place_.screen.tell(
        fmt::format("a line of {} bytes is too long for a message (at most {}): not sent",
                    line.size(), whimbrel::kMessageBytesMax));
  }
  kept_.push(std::move(line));
  if (!waits_since_) waits_since_ = Clock::now();
  if (live_) return;
  wanted_ = at_once_ = true;
  if (was_here_ || !told_.empty()) tell_of_kept();
}

void ChatPeer::on_let_in() {
  live_ = true;
  told_.clear();
}

void ChatPeer::on_reachable() {
  if (here_ || !(called_ || !kept_.empty())) return;
  wanted_ = at_once_ = true;
}

void ChatPeer::on_line() {
  heard_ = true;
  if (their_run_ == 0) return;
  ++lines_shown_;
  owes_word_ = true;
}

void ChatPeer::on_word(const ChatWord& word) {
  heard_ = true;
  if (word.run != their_run_) {
    their_run_ = word.run;
    lines_shown_ = 0;
  }
  if (word.your_run == 0) owes_word_ = true;
  if (word.your_run != place_.run || wordless_) return;
  const std::size_t before = kept_.size();
  kept_.on_shown(word.run, word.lines_shown);
  if (connected_ && greeted_) in_step_ = true;
  if (kept_.size() == before) return;
  waits_since_.reset();
  if (!kept_.empty()) waits_since_ = Clock::now();
}

void ChatPeer::on_ending() {
  if (!live_ && !kept_.empty()) wanted_ = at_once_ = true;
}

void ChatPeer::on_session_changed(ConnectionState state, const ConnectionInfo& info) {
  live_ = connected_ = state == ConnectionState::kConnected;
  if (connected_) return;
  const bool was_here = here_;
  greeted_ = heard_ = here_ = in_step_ = wordless_ = false;
  greeted_at_.reset();
  kept_.on_session_ended();
  // A session that idled out is made again by whoever has something to say.
  if (state != ConnectionState::kNone) on_over(info, was_here);
  if (!kept_.empty() && (was_here || !wanted_)) tell_of_kept();
}

void ChatPeer::on_over(const ConnectionInfo& info, bool was_here) {
  if (was_here) {
    on_left(info);
  } else {
    on_unreached(info);
  }
  if (is_final(info)) wanted_ = false;
}

void ChatPeer::on_left(const ConnectionInfo& info) {
  const bool closed =
      info.state == ConnectionState::kClosedByPeer && is_of_the_application(info.end_reason);
  // Who has gone on purpose is called again when there is something to say.
  wanted_ = !kept_.empty() || (called_ && !closed);
  told_.clear();
  if (closed) return place_.screen.tell(fmt::format("{} left", name_));
  failed_ = true;
  place_.screen.tell(fmt::format("{}: {}{}", name_, describe_end(info),
                                 wanted_ && !is_final(info) ? "; calling again" : ""));
}

void ChatPeer::on_unreached(const ConnectionInfo& info) {
  // Who asked, was let in, and was not there any more.
  if (!called_ && kept_.empty()) {
    wanted_ = false;
    return place_.screen.tell(fmt::format("{} has gone meanwhile", name_));
  }
  failed_ = true;
  // Who came to us comes again by themselves.
  if (!called_ && info.end_reason == whimbrel::kEndMiscRendezvous && !place_.ending) {
    wanted_ = false;
    return;
  }
  const bool refused =
      info.state == ConnectionState::kClosedByPeer && is_of_the_application(info.end_reason);
  if (refused || place_.ending) wanted_ = false;
  if (refused)
    return tell_once(fmt::format("{}: does not let us in: {}", name_, describe_end(info)));
  // How it stands with the server has been said, and nobody is found without it.
  using State = whimbrel::ServerStatus::State;
  const bool of_server =
      place_.has_server && place_.net.get_server_status().state != State::kOnline;
  if (of_server && !place_.ending) return;
  tell_once(fmt::format("{}: {}{}", name_, describe_end(info),
                        wanted_ && !is_final(info) ? "; still waiting" : ""));
}

void ChatPeer::tell_once(const std::string& text) {
  if (text == told_) return;
  told_ = text;
  place_.screen.tell(text);
}

// --- what we do ----------------------------------------------------------------------------------

void ChatPeer::advance(Clock::time_point now) {
  ConnectionStatus status;
  const auto state = place_.net.get_session_connection_info(who_, nullptr, &status);
  live_ = state == ConnectionState::kConnected || state == ConnectionState::kConnecting ||
          state == ConnectionState::kFindingRoute;
  if (state == ConnectionState::kConnected) {
    talk(status, now);
  } else if (!live_ && wanted_ && (at_once_ || now >= dial_at_)) {
    dial(now);
  }
  const bool late = waits_since_ && now - *waits_since_ > kKeptPatience;
  if (late && !here_ && told_kept_ == 0) tell_of_kept();
  if (told_kept_ > 0 && kept_.empty()) {
    place_.screen.tell(fmt::format("{} has got what was kept", name_));
    told_kept_ = 0;
  }
}

Result ChatPeer::send_word(const ChatWord& word, int more_flags) {
  const int flags = whimbrel::kSendReliable | whimbrel::kSendNoNagle | more_flags;
  return place_.net.send_message_to_user(who_, write_chat_word(word), flags, place_.words_channel);
}

void ChatPeer::dial(Clock::time_point now) {
  // What has failed must not hold up who has something to say.
  if (at_once_) place_.net.close_session_with_user(who_);
  at_once_ = false;
  dial_at_ = now + kDialInterval;
  const Result result = send_word({place_.run, 0, 0}, whimbrel::kSendAutoRestartBrokenSession);
  live_ = greeted_ = result == Result::kOk;
  if (result == Result::kOk || result == Result::kNoConnection || result == Result::kLimitExceeded)
    return;
  wanted_ = false;
  failed_ = true;
  place_.screen.tell(fmt::format("can't send to {}: {}", name_, whimbrel::to_string(result)));
}

void ChatPeer::talk(const ConnectionStatus& status, Clock::time_point now) {
  connected_ = true;
  const bool all_confirmed = status.pending_reliable + status.sent_unacknowledged_reliable == 0;
  if (!greeted_) {
    greeted_ = send_word({place_.run, 0, 0}) == Result::kOk;
    return;
  }
  if (all_confirmed && !greeted_at_) greeted_at_ = now;
  if (!here_ && (heard_ || greeted_at_)) arrive();
  if (!in_step_ && greeted_at_ && now - *greeted_at_ > kWordPatience) wordless_ = true;
  if (wordless_ && all_confirmed) {
    kept_.on_all_confirmed();
    waits_since_.reset();
  }
  if (owes_word_) owes_word_ = send_word({place_.run, their_run_, lines_shown_}) != Result::kOk;
  if (in_step_ || wordless_) give_lines();
}

void ChatPeer::arrive() {
  here_ = true;
  failed_ = false;
  told_.clear();
  place_.screen.tell(was_here_ ? fmt::format("{} is here again", name_)
                     : called_ ? fmt::format("{} is here", name_)
                               : fmt::format("{} joined", name_));
  was_here_ = true;
}

void ChatPeer::give_lines() {
  while (const std::string* line = kept_.next()) {
    if (place_.net.send_message_to_user(who_, *line, whimbrel::kSendReliable, place_.channel) !=
        Result::kOk)
      return;
    kept_.on_given();
  }
}

void ChatPeer::tell_of_kept() {
  const char* are = kept_.size() == 1 ? "is" : "are";
  if (told_kept_ == 0)
    place_.screen.tell(fmt::format("{} for {} {} kept, and so is what you type now",
                                   lines_text(kept_.size()), name_, are));
  told_kept_ = kept_.size();
}
