// What a leg remembers of all that passed over it, in whatever state it was: the round trip, the
// traffic, and the Opens.
#pragma once

#include <optional>

#include "base/time.h"

namespace whimbrel::relay {

// Whether so many packets pass that they are traffic, and not keep-alives and their answers.
class LegTraffic {
 public:
  void add(Instant now);
  // Of the last packet: whether it was part of traffic.
  bool lively() const { return count_ >= kLeast || busy_; }

 private:
  static constexpr Duration kWindow = seconds(2);
  static constexpr unsigned kLeast = 5;

  Instant since_{};
  unsigned count_ = 0;
  bool busy_ = false;
};

class LegHistory {
 public:
  // --- what happens
  void sent_payload(Instant now);
  void delivered_payload(Instant now);
  // Something waits to be sent.
  void wanted(Instant now) { wanted_at_ = now; }
  void sent_open(Instant now) { open_sent_ = now; }
  // The relay answers a leg that has sent an Open beside its Pings: it knew us all the time.
  void needless_open(Instant now) { needless_at_ = now; }
  void measured(Duration round_trip);
  // What the relay said of a slot before says nothing of this one.
  void begin_slot();

  // --- what is known
  // Smoothed; zero before the first measurement.
  Duration rtt() const { return rtt_; }
  // Whether anything was to be sent, or came, so short a time ago that it may be waited for.
  bool wanted_lately(Instant now) const;
  // Of the last payload of each direction: whether it was part of traffic.
  bool sends_traffic() const { return sent_.lively(); }
  bool brings_traffic() const { return delivered_.lively(); }
  // When a payload came last from the relay that gave this slot.
  std::optional<Instant> delivered_at() const { return delivered_at_; }
  // Whether more may be expected at `then`: shortly before, traffic came, or something after a long
  // time.
  bool delivers_at(Instant then) const;
  Instant open_sent() const { return open_sent_; }
  // When the relay last answered although an Open had left beside the Pings.
  std::optional<Instant> needless_at() const { return needless_at_; }

 private:
  Duration rtt_{};
  LegTraffic sent_;
  LegTraffic delivered_;
  std::optional<Instant> wanted_at_;
  std::optional<Instant> delivered_at_;
  std::optional<Instant> lively_at_;  // traffic was delivered, or something after a long time
  std::optional<Instant> needless_at_;
  Instant open_sent_{};
};

}  // namespace whimbrel::relay
