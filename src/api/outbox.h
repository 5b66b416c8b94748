// What the application has sent and the core has not seen yet. Any thread pushes, whoever drives
// the core takes all of it at once: that is how messages that are sent together come to share
// packets without a timer.
//
// Thread-safe. A push costs one uncontended lock, a look-up and a copy of the payload.
#pragma once

#include <whimbrel/identity.h>
#include <whimbrel/result.h>

#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "api/identity_hash.h"
#include "base/shared_bytes.h"
#include "endpoint/endpoint.h"
#include "io/mutex.h"

namespace whimbrel {

// What the driver of the core is doing; kept under the outbox's lock, so that no push can slip
// between its last look and its sleep.
enum class DriverState : std::uint8_t {
  kRunning,  // looks into the outbox before it sleeps
  kAsleep,   // must be woken
  kAbsent,   // nobody drives; somebody will come
};

class Outbox {
 public:
  struct User {
    std::shared_ptr<SendGate> gate;
    // Channels 0 to 63 on which the core has taken a message of this session.
    std::uint64_t channels = 0;
  };
  using Users = std::unordered_map<Identity, User, KeyedIdentityHash>;
  struct Message {
    const Identity* user = nullptr;  // a key of the table of users; stays while it is queued
    // What its bytes were charged to: of the session of that moment. Stays until the next take().
    SendGate* gate = nullptr;
    SharedBytes payload;
    int flags = 0;
    ChannelId channel = 0;
  };
  struct Push {
    // Nothing: the core must be asked.
    std::optional<Result> result;
    DriverState driver = DriverState::kRunning;
    std::size_t queued = 0;          // with this one
    const SendGate* gate = nullptr;  // with kOk: to be compared only
    std::shared_ptr<SendGate> full;  // with kLimitExceeded
  };

  // `shared` (if given) holds the payload already: it is not copied again.
  Push push(const Identity& user, Bytes payload, int flags, ChannelId channel,
            const SharedBytes* shared = nullptr);
  // The core has taken a message of this user on this channel. Its gate may be null. Not while the
  // core still handles what it took from here.
  void learn(const Identity& user, std::shared_ptr<SendGate> gate, ChannelId channel);

  // Swaps all that is queued for `out`, which must be empty.
  void take(std::vector<Message>& out);
  // `kAsleep` is refused when something is queued, or claim_wake() was called since it began to
  // run: then the answer is false.
  bool set_driver(DriverState state);
  // True if it was asleep: then the caller must wake it. One that runs looks again before it
  // sleeps.
  bool claim_wake();

 private:
  static constexpr std::size_t kUsersSweepMin = 1024;

  User* find(const Identity& user) REQUIRES(mutex_);
  // A queued message may name a user or a gate of the table, or will in a moment.
  bool named() const REQUIRES(mutex_) { return !messages_.empty() || large_pushes_ > 0; }
  void sweep() REQUIRES(mutex_);

  Mutex mutex_;
  Users users_ GUARDED_BY(mutex_);
  Users::value_type* last_ GUARDED_BY(mutex_) = nullptr;
  std::vector<Message> messages_ GUARDED_BY(mutex_);
  SlabAllocator slabs_ GUARDED_BY(mutex_);
  // Gates of sessions that are over, which messages that are queued may still name.
  std::vector<std::shared_ptr<SendGate>> retired_ GUARDED_BY(mutex_);
  std::size_t large_pushes_ GUARDED_BY(mutex_) = 0;  // that copy their payload just now
  DriverState driver_ GUARDED_BY(mutex_) = DriverState::kAbsent;
  bool called_ GUARDED_BY(mutex_) = false;  // by claim_wake(), while it ran
  std::size_t sweep_at_ GUARDED_BY(mutex_) = kUsersSweepMin;
};

}  // namespace whimbrel
