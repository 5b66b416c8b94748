// One user in a chat: whether they are here, and what was typed for them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <whimbrel/networking_messages.h>

#include "chat_words.h"
#include "kept_lines.h"
#include "screen.h"

// What all of them have in common.
struct ChatPlace {
  whimbrel::NetworkingMessages& net;
  Screen& screen;
  int channel;
  int words_channel;
  std::uint64_t run;  // of this program
  bool has_server;
  // Something was not as it should be: a script is told by the exit code.
  bool failed = false;
  // The input has ended: what cannot be delivered now never will.
  bool ending = false;
};

class ChatPeer {
 public:
  using Clock = std::chrono::steady_clock;

  // `called`: whom we want to talk to, and dial by ourselves. Others come to us.
  ChatPeer(ChatPlace& place, const whimbrel::Identity& who, bool called);
  ~ChatPeer();
  ChatPeer(const ChatPeer&) = delete;
  ChatPeer& operator=(const ChatPeer&) = delete;

  const whimbrel::Identity& who() const { return who_; }
  bool called() const { return called_; }
  bool here() const { return here_; }
  // They could not be reached, or were lost, and have not come since.
  bool failed() const { return failed_; }
  const KeptLines& kept() const { return kept_; }
  // Nothing more is taken for them now.
  bool full() const { return kept_.full(); }
  // Something may change soon without news of the node.
  bool restless() const;
  // Something waits for them, and may still reach them.
  bool hopeful() const { return !kept_.empty() && (live_ || wanted_); }

  void say(std::string line);
  // They asked and were let in.
  void on_let_in();
  void on_session_changed(whimbrel::ConnectionState state, const whimbrel::ConnectionInfo& info);
  // The server says that they are online, or we are online again.
  void on_reachable();
  void on_line();
  void on_word(const ChatWord& word);
  void on_ending();
  void advance(Clock::time_point now);

 private:
  void on_over(const whimbrel::ConnectionInfo& info, bool was_here);
  void on_left(const whimbrel::ConnectionInfo& info);
  void on_unreached(const whimbrel::ConnectionInfo& info);
  void tell_once(const std::string& text);
  void dial(Clock::time_point now);
  void talk(const whimbrel::ConnectionStatus& status, Clock::time_point now);
  void arrive();
  void give_lines();
  void tell_of_kept();
  whimbrel::Result send_word(const ChatWord& word, int more_flags = 0);

  ChatPlace& place_;
  const whimbrel::Identity who_;
  const std::string name_;
  const bool called_;
  KeptLines kept_;

  bool wanted_;                // dial while there is no session
  bool at_once_ = false;       // however often it has failed
  Clock::time_point dial_at_;  // not before
  std::string told_;           // last, why they can't be reached

  bool live_ = false;       // a session is up or being made
  bool connected_ = false;  // it is up
  bool greeted_ = false;    // our first word is in it
  bool heard_ = false;      // something of theirs is
  bool here_ = false;       // and we have said so
  bool was_here_ = false;   // ever
  bool failed_ = false;
  // They have said what they have shown, or say nothing of that kind.
  bool in_step_ = false;
  bool wordless_ = false;
  std::optional<Clock::time_point> greeted_at_;  // when they had our first word

  std::uint64_t their_run_ = 0;
  std::uint64_t lines_shown_ = 0;  // of that run
  bool owes_word_ = false;
  std::size_t told_kept_ = 0;  // lines that were said to be kept
  std::optional<Clock::time_point> waits_since_;
};
