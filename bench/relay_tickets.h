// What a rendezvous would give to clients, made with the key of its state folder.
#pragma once

#include "crypto/secure_random.h"
#include "io/clock.h"
#include "io/key_files.h"
#include "io/system_random.h"
#include "relay/leg.h"
#include "relay_end.h"

namespace bench {

class Tickets {
 public:
  static constexpr std::int64_t kSeconds = 600;

  explicit Tickets(const Arguments& arguments)
      : random_(whimbrel::system_random_seed()),
        keys_(master(arguments.state)),
        relay_(whimbrel::IpAddress::v4(127, 0, 0, 1, arguments.port)) {}

  whimbrel::relay::Ticket make(const whimbrel::relay::IdentityHash& identity) {
    whimbrel::relay::Token token;
    random_.fill(token.id);
    token.identity = identity;
    const std::int64_t unix_seconds = whimbrel::unix_now() / 1000;
    token.not_after = unix_seconds + kSeconds;
    random_.fill(token.secret.bytes);
    const whimbrel::relay::SealedToken sealed = keys_.seal(token, random_, unix_seconds);
    return {relay_, {sealed.begin(), sealed.end()}, token.secret};
  }
  whimbrel::Random& random() { return random_; }

 private:
  static whimbrel::SecretKey master(const std::string& state) {
    auto key = whimbrel::read_secret_key(state + "/site.key");
    if (!key) fail(key.error().c_str());
    return *key;
  }

  whimbrel::SecureRandom random_;
  whimbrel::relay::SiteKeys keys_;
  whimbrel::IpAddress relay_;
};

}  // namespace bench
