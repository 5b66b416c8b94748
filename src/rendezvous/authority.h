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

// What a genuine token of a backend says.
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
    kOpen,     // a name belongs to the first key that claims it
    kToken,    // a backend's token says who it is
    kNumeric,  // everybody gets a number, in the form of a Steam id
  };
  Mode mode = Mode::kOpen;
  std::optional<std::uint32_t> app_id;  // the only one served
  std::int64_t certificate_seconds = 24 * 3600;
  // In mode kToken: whoever has shown a token may log in with the certificate alone for this long.
  TokenCheck check_token;
  std::int64_t renewal_seconds = 7 * 24 * 3600;
  std::int64_t logins_since = 0;  // Unix time: certificates made before are no good for a login
  // In mode kOpen: limits of new names, then refused. Known names are always let in.
  std::size_t names_of_key_max = 8;
  std::uint32_t new_names_per_minute = 1200;
  std::uint32_t new_names_of_network_per_minute = 120;  // from one /24 or /48
};

struct Admission {
  Identity identity;
  std::vector<std::uint8_t> certificate;
  // How long the certificate can be renewed; then the client needs a new token.
  std::int64_t renewable_seconds = kForever;
  static constexpr std::int64_t kForever = std::int64_t{1} << 40;
};
// The number in an identity of mode kNumeric; nothing for other identities.
std::optional<std::uint32_t> given_number(const Identity& identity);
// The answer to a login with a revoked key.
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

  // `key`: the key that the client has proved in its session.
  std::variant<Admission, Rejection> admit(const Login& login, const PublicKey& key,
                                           const IpAddress& from, std::int64_t unix_seconds);
  // A new certificate for a client that was admitted before, and may renew for this long still.
  // kRevoked: its key was revoked.
  std::variant<std::vector<std::uint8_t>, Rejection> renew(const Identity& identity,
                                                           std::uint32_t app_id,
                                                           const PublicKey& key,
                                                           std::int64_t unix_seconds,
                                                           std::int64_t renewable_seconds);
  // The signed list of revoked keys that may still have valid certificates; empty if there are
  // none. Nothing: the registry cannot answer.
  std::optional<std::vector<std::uint8_t>> revocations(std::int64_t unix_seconds);
  // Changes whenever revocations() may have changed.
  std::int64_t registry_version() { return registry_.version(); }
  bool revoked(const PublicKey& key) { return registry_.revoked(key) == Registry::Answer::kYes; }
  const VerifyKey& public_key() const { return key_.verify_key(); }
  // Applies to logins from now on. The mode does not change.
  void set_config(AuthorityConfig config);

 private:
  // Who the client is, and how long that can be renewed.
  struct Proved {
    Identity identity;
    std::int64_t renewable_seconds = Admission::kForever;
  };
  std::variant<Proved, Rejection> identify(const Login& login, const PublicKey& key,
                                           const IpAddress& from, std::int64_t unix_seconds);
  std::optional<Rejection> refuse_revoked(const PublicKey& key);
  std::variant<Proved, Rejection> claim_name(const Login& login, const PublicKey& key,
                                             const IpAddress& from, std::int64_t unix_seconds);
  // Nothing: this key may have one more name, which is counted.
  std::optional<Rejection> refuse_new_name(const PublicKey& key, const IpAddress& from,
                                           std::int64_t unix_seconds);
  // The limits per minute, for any key.
  std::optional<Rejection> refuse_new(const IpAddress& from, std::int64_t unix_seconds);
  std::variant<Proved, Rejection> name_of_token(const Login& login, const PublicKey& key,
                                                std::int64_t unix_seconds);
  // From a certificate that this authority gave the same key; nothing if it is no good any more.
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
  // New names in this minute: all, and by network. There are no more networks than names.
  std::int64_t minute_ = 0;
  std::uint32_t new_names_ = 0;
  std::map<std::array<std::uint8_t, 15>, std::uint32_t> new_names_of_;
};

}  // namespace whimbrel::rendezvous
