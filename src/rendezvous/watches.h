// The users whom a program watches. Asks the server about each of them, again after every login and
// no faster than the server allows, and finds out what has changed since the program was told last.
//
// Sans-I/O: a part of Client.
#pragma once

#include <whimbrel/identity.h>

#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "base/time.h"
#include "base/token_bucket.h"
#include "rendezvous/messages.h"

namespace whimbrel::rendezvous {

class Watches {
 public:
  // Watched users: as many as the server accepts (RendezvousLimits::watches_max).
  static constexpr std::size_t kMax = 256;
  // A question without an answer is asked again: the server may have been too busy, or too many
  // watch that user.
  static constexpr Duration kRetry = seconds(30);
  // After a restart of the server everybody logs in again, idle users only after their next ping.
  // So a user who was online before, and is not at our login, may just be later than us: for this
  // long they are not reported as offline.
  static constexpr Duration kGrace = seconds(15);
  // Longer by this factor for each second by which the ping interval exceeds 10 s: that server has
  // very many users, who log in one after another.
  static constexpr int kGraceOfSeldomPings = 4;

  // False: there are kMax others. True also if that user is watched already.
  bool add(const Identity& user);
  void remove(const Identity& user);

  // `requests_per_second`: the requests that the server accepts from this client, of all kinds; 0:
  // it does not say. `ping_interval`: how often users of this server ping.
  void on_online(std::uint32_t requests_per_second, Instant now,
                 Duration ping_interval = kPingInterval);
  void on_offline();
  // True: this is the first that is known of the user, or it has changed.
  bool on_presence(const Identity& user, bool online, Instant now);
  // The next user who did not come back within the grace.
  std::optional<Identity> poll_gone(Instant now);

  // What to send to the server now.
  std::optional<Watch> poll(Instant now);
  // When poll() or poll_gone() will have something.
  Instant next_deadline() const;

 private:
  struct Watched {
    std::optional<bool> online;  // what was told last; stays while there is no connection
    bool said = false;           // sent to the server since the last login
    bool answered = false;       // answered since the last login
    bool doubtful = false;       // offline; reported when the grace is over
  };

  void say(const Identity& user);
  void ask_again(Instant now);
  void doubt(Watched& watched, bool on);

  std::map<Identity, Watched> users_;
  std::deque<Identity> to_say_;  // to watch if in users_, otherwise to stop; each once
  bool online_ = false;
  TokenBucket pace_;
  Instant retry_at_ = kNever;
  Instant grace_ends_ = kNever;
  std::size_t doubtful_ = 0;
};

}  // namespace whimbrel::rendezvous
