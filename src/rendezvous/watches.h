// Users of whom a program wants to know whether they are online: asks the server for each of them, again after every login and
// as slowly as the server wants it, and finds out what has changed since the program was told last.
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
  // Users at once: as many as the server takes (RendezvousLimits::watches_max).
  static constexpr std::size_t kMax = 256;
  // What was not answered is asked again: the server may have been too busy, or that user watched by too many.
  static constexpr Duration kRetry = seconds(30);
  // After a login a user who was online, and is not, may only be later than us: where the server has started again, everybody logs
  // in again, who is idle after his next ping. So long it is no news.
  static constexpr Duration kGrace = seconds(15);
  // So much longer for each second that pings are rarer than every 10 s: their server has very many users, and lets them in one after
  // another.
  static constexpr int kGraceOfSeldomPings = 4;

  // False: there are kMax others. True as well where that user is watched already.
  bool add(const Identity& user);
  void remove(const Identity& user);

  // `requests_per_second`: what the server takes of this client, for everything; 0: it does not say. `ping_interval`: how often its
  // users ping.
  void on_online(std::uint32_t requests_per_second, Instant now,
                 Duration ping_interval = kPingInterval);
  void on_offline();
  // True: this is the first that is known of the user, or something else than before.
  bool on_presence(const Identity& user, bool online, Instant now);
  // The next one who is offline after all.
  std::optional<Identity> poll_gone(Instant now);

  // What to say to the server now.
  std::optional<Watch> poll(Instant now);
  // When poll() or poll_gone() will have something.
  Instant next_deadline() const;

 private:
  struct Watched {
    std::optional<bool> online;  // what was told last; stays while there is no connection
    bool said = false;           // to the server, since the last login
    bool answered = false;       // likewise, by it
    bool doubtful = false;       // offline, and told so when the grace is over
  };

  void say(const Identity& user);
  void ask_again(Instant now);
  void doubt(Watched& watched, bool on);

  std::map<Identity, Watched> users_;
  std::deque<Identity> to_say_;  // on for those that are in users_, off for others; each once
  bool online_ = false;
  TokenBucket pace_;
  Instant retry_at_ = kNever;
  Instant grace_ends_ = kNever;
  std::size_t doubtful_ = 0;
};

}  // namespace whimbrel::rendezvous
