// Decides who a client is, and certifies it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <whimbrel/identity.h>

#include "base/ip_address.h"
#include "crypto/keys.h"
#include "crypto/secret.h"
#include "rendezvous/messages.h"
#include "rendezvous/registry.h"

namespace whimbrel::rendezvous {

// What a backend's token says, once it is known to be genuine.
struct BackendClaim {
  std::string identity;
  std::optional<std::uint32_t> app_id;
  std::optional<Digest> key_thumbprint;  // of the only key that may use it (backend_token.h)
};
// Checks a token of the game's backend. The text says what is wrong with it.
using TokenCheck = std::function<std::variant<BackendClaim, std::string>(
    const std::string& token, std::int64_t unix_seconds)>;

struct AuthorityConfig {
  enum class Mode : std::uint8_t {
    kOpen,     // a name is the first key's that claims it
    kToken,    // a backend's token says who it is
    kNumeric,  // everybody gets a number, in the shape of a Steam id
  };
  Mode mode = Mode::kOpen;
  std::optional<std::uint32_t> app_id;  // the only one served
  std::int64_t certificate_seconds = 24 * 3600;
  // Of mode kToken: who has shown a token is let in with its certificate alone for so long, and no longer.
  TokenCheck check_token;
  std::int64_t renewal_seconds = 7 * 24 * 3600;
  std::int64_t logins_since = 0;  // Unix time: certificates that were given before are for no login
  // Of mode kOpen: names that nobody had before. Refused; names that are known are always let in.
  std::size_t names_of_key_max = 8;
  std::uint32_t new_names_per_minute = 1200;
  std::uint32_t new_names_of_network_per_minute = 120;  // from one /24 or /48
};

struct Admission {
  Identity identity;
  std::vector<std::uint8_t> certificate;
  // How long its certificate can be renewed before something new must be shown.
  std::int64_t renewable_seconds = kForever;
  static constexpr std::int64_t kForever = std::int64_t{1} << 40;
};
// The number of an identity that mode kNumeric gives away; nothing for others.
std::optional<std::uint32_t> given_number(const Identity& identity);
// What is said to whoever logs in with one.
inline constexpr const char* kRevokedText =
    "this key was revoked, for good: ask who runs this server";

struct Rejection {
  RefusalCode code{};
  std::string text;
};

class Authority {
 public:
  // `registry` must outlive it.
  Authority(AuthorityConfig config, SigningKey key, Registry& registry);

  // `key` is what the client's session has proved.
  std::variant<Admission, Rejection> admit(const Login& login, const PublicKey& key,
                                           const IpAddress& from, std::int64_t unix_seconds);
  // A certificate for somebody who was admitted before, and may renew it for so long still. kRevoked: not welcome any more.
  std::variant<std::vector<std::uint8_t>, Rejection> renew(const Identity& identity,
                                                           std::uint32_t app_id,
                                                           const PublicKey& key,
                                                           std::int64_t unix_seconds,
                                                           std::int64_t renewable_seconds);
  // What was revoked while its certificates can still be valid, signed; empty where nothing is. Nothing: the registry cannot say.
  std::optional<std::vector<std::uint8_t>> revocations(std::int64_t unix_seconds);
  // Another number when revocations() may say something else.
  std::int64_t registry_version() { return registry_.version(); }
  bool revoked(const PublicKey& key) { return registry_.revoked(key) == Registry::Answer::kYes; }
  const VerifyKey& public_key() const { return key_.verify_key(); }
  // Counts for whoever logs in from now on. The mode stays what it was.
  void set_config(AuthorityConfig config);

 private:
  // Who it is, and how long that can be renewed.
  struct Proved {
    Identity identity;
    std::int64_t renewable_seconds = Admission::kForever;
  };
  std::variant<Proved, Rejection> identify(const Login& login, const PublicKey& key,
                                           const IpAddress& from, std::int64_t unix_seconds);
  std::optional<Rejection> refuse_revoked(const PublicKey& key);
  std::variant<Proved, Rejection> claim_name(const Login& login, const PublicKey& key,
                                             const IpAddress& from, std::int64_t unix_seconds);
  // Nothing: one more name may be made for this key, and is counted.
  std::optional<Rejection> refuse_new_name(const PublicKey& key, const IpAddress& from,
                                           std::int64_t unix_seconds);
  // The same for any key: how many there are in a minute.
  std::optional<Rejection> refuse_new(const IpAddress& from, std::int64_t unix_seconds);
  std::variant<Proved, Rejection> name_of_token(const Login& login, const PublicKey& key,
                                                std::int64_t unix_seconds);
  // Of a certificate that this authority gave the same key; nothing if it does not count any more.
  std::optional<Proved> certified(const Login& login, const PublicKey& key,
                                  std::int64_t unix_seconds) const;
  std::variant<Proved, Rejection> number(const Login& login, const PublicKey& key,
                                         const IpAddress& from, std::int64_t unix_seconds);
  std::vector<std::uint8_t> certify(const Identity& identity, std::uint32_t app_id,
                                    const PublicKey& key, std::int64_t unix_seconds,
                                    std::int64_t renewable_seconds);

  AuthorityConfig config_;
  SigningKey key_;
  Registry& registry_;
  std::uint64_t serial_ = 0;  // of the last certificate
  // New names of this minute: of all, and by network. As many networks as names at most.
  std::int64_t minute_ = 0;
  std::uint32_t new_names_ = 0;
  std::map<std::array<std::uint8_t, 15>, std::uint32_t> new_names_of_;
};

}  // namespace whimbrel::rendezvous
