// Listens for the silence of the relay while a leg is open, and says when something is to be done
// about it: a Ping asks whether the relay is there, an Open beside it whether the relay was started
// again, the leg is doubted, and at last it is dead.
//
// It knows no packets. Whatever comes from the relay ends the silence.
#pragma once

#include <optional>

#include "base/time.h"
#include "relay/leg_history.h"

namespace whimbrel::relay {

class LegSilence {
 public:
  // Something was heard just now.
  explicit LegSilence(Instant now) : heard_(now) {}

  // --- what happens
  void sent_payload(Instant now);
  // A Ping leaves.
  void asked(Instant now, Duration rtt);
  // Somebody says that the relay has lost our slot. Only after a Ping.
  void suspect();
  // It is to be asked by Open as well. Only after a Ping.
  void owe_open();
  // A Cookie came. Forged ones must not make us send more than our own repetitions do.
  void on_cookie();
  // Whether an Open leaves now.
  bool take_open();
  // Only after a payload.
  void doubt();

  // --- when something is to be done
  Instant dead_at(const LegHistory& history) const;
  Instant doubt_at(const LegHistory& history) const;
  // The next Ping.
  Instant ask_at(const LegHistory& history) const;
  // The next Open.
  Instant open_at(const LegHistory& history) const;

  // --- what is known
  bool doubted() const { return unheard_ && unheard_->doubted; }
  bool suspected() const { return question_ && question_->suspected; }
  bool owes_open() const { return question_ && question_->open_owed; }
  // How many Opens have left in this silence.
  unsigned opens() const { return question_ ? question_->opens : 0; }

 private:
  // Payloads that were sent and followed by nothing.
  struct Unheard {
    Instant since;  // the first one
    unsigned count = 0;
    bool doubted = false;
  };
  // What the relay was asked, in Pings.
  struct Question {
    Instant since;     // the first one
    Instant again_at;  // the next one
    bool suspected = false;
    bool open_owed = false;
    unsigned opens = 0;
  };

  // The clock of a leg that carries something starts with what it carried.
  Instant since() const;
  Duration silence_max(const LegHistory& history) const;
  bool in_traffic(const LegHistory& history) const;
  bool stopped_suddenly(const LegHistory& history) const;

  Instant heard_;
  std::optional<Unheard> unheard_;
  std::optional<Question> question_;
};

}  // namespace whimbrel::relay
