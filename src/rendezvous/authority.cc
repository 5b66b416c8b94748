#include "rendezvous/authority.h"

#include <algorithm>

#include "handshake/revocations.h"
#include "rendezvous/backend_token.h"

namespace whimbrel::rendezvous {

namespace {

// The form of a Steam id of an individual user in the public universe, so that code that expects
// Steam ids works.
constexpr std::uint64_t kNumericBase = std::uint64_t{0x01100001} << 32;
// Peers' clocks may be behind ours.
constexpr std::int64_t kBackdateSeconds = 300;
// No certificate is valid for longer, whatever certificate_seconds was when it was made.
constexpr std::int64_t kLongestCertificateSeconds = 720 * 3600;

Rejection unavailable() {
  return {RefusalCode::kUnavailable, "the server cannot look names up now: try again later"};
}

// Names that anybody may claim: no addresses, and no numbers, which only the server assigns.
bool may_be_claimed(const Identity& identity) {
  return identity.valid() && (identity.type() == IdentityType::kGenericString ||
                              identity.type() == IdentityType::kGenericBytes);
}

}  // namespace

std::optional<std::uint32_t> given_number(const Identity& identity) {
  if (identity.type() != IdentityType::kSteamId) return std::nullopt;
  const std::uint64_t id = ByteReader(identity.bytes()).u64();
  if (id >> 32 != kNumericBase >> 32) return std::nullopt;
  return static_cast<std::uint32_t>(id);
}

Authority::Authority(AuthorityConfig config, SigningKey key, Registry& registry)
    : config_(std::move(config)), key_(std::move(key)), registry_(registry) {}

void Authority::set_config(AuthorityConfig config) {
  config.mode = config_.mode;
  config.app_id = config_.app_id;
  config_ = std::move(config);
}

std::variant<Authority::Proved, Rejection> Authority::claim_name(const Login& login,
                                                                 const PublicKey& key,
                                                                 const IpAddress& from,
                                                                 std::int64_t unix_seconds) {
  const auto wanted = Identity::parse(login.identity);
  if (!wanted || !may_be_claimed(*wanted)) {
    return Rejection{RefusalCode::kBadIdentity, "a name is needed, like str:alice"};
  }
  auto answer = registry_.owns(login.app_id, wanted->text(), key);
  if (!answer) {
    if (auto rejection = refuse_new_name(key, from, unix_seconds)) return std::move(*rejection);
    answer = registry_.claim(login.app_id, wanted->text(), key);
  }
  switch (*answer) {
    case Registry::Answer::kYes:
      return Proved{*wanted};
    case Registry::Answer::kNo:
      return Rejection{
          RefusalCode::kNameTaken,
          wanted->text() +
              " belongs to another key: choose another name, or use the key file it was made with"};
    case Registry::Answer::kUnavailable:
      break;
  }
  return unavailable();
}

std::optional<Rejection> Authority::refuse_new_name(const PublicKey& key, const IpAddress& from,
                                                    std::int64_t unix_seconds) {
  const auto names = registry_.names_of(key);
  if (!names) return unavailable();
  if (*names >= config_.names_of_key_max) {
    return Rejection{RefusalCode::kNameTaken,
                     "this key has all " + std::to_string(*names) +
                         " names that a key may have here: use one of them, or another key"};
  }
  return refuse_new(from, unix_seconds);
}

std::optional<Rejection> Authority::refuse_new(const IpAddress& from, std::int64_t unix_seconds) {
  if (unix_seconds / 60 != minute_) {
    minute_ = unix_seconds / 60;
    new_names_ = 0;
    new_names_of_.clear();
  }
  // A /24 of IPv4, a /48 of IPv6.
  std::array<std::uint8_t, 15> network{};
  std::copy_n(from.bytes.begin(), from.is_v4() ? 15 : 6, network.begin());
  const auto of_network = new_names_of_.find(network);
  if (of_network != new_names_of_.end() &&
      of_network->second >= config_.new_names_of_network_per_minute) {
    return Rejection{RefusalCode::kTooOften,
                     "too many new names from your network: try again in a minute"};
  }
  if (new_names_ >= config_.new_names_per_minute) {
    return Rejection{RefusalCode::kTooOften, "too many new names: try again in a minute"};
  }
  ++new_names_;
  ++new_names_of_[network];
  return std::nullopt;
}

std::variant<Authority::Proved, Rejection> Authority::name_of_token(const Login& login,
                                                                    const PublicKey& key,
                                                                    std::int64_t unix_seconds) {
  if (!config_.check_token || login.token.empty()) {
    return Rejection{RefusalCode::kBadToken,
                     "this server wants a token of the game's backend: log in with one"};
  }
  auto checked = config_.check_token(login.token, unix_seconds);
  if (const auto* fault = std::get_if<std::string>(&checked)) {
    // Tokens are short-lived, but a restart of the server must not shut everybody out.
    if (const auto known = certified(login, key, unix_seconds)) return *known;
    return Rejection{RefusalCode::kBadToken, *fault};
  }
  const auto& claim = std::get<BackendClaim>(checked);
  if (claim.app_id && *claim.app_id != login.app_id) {
    return Rejection{RefusalCode::kWrongApp,
                     "the token is for app id " + std::to_string(*claim.app_id) +
                         ", and this program has app id " + std::to_string(login.app_id)};
  }
  if (claim.key_thumbprint && *claim.key_thumbprint != key_thumbprint(key)) {
    return Rejection{
        RefusalCode::kBadToken,
        "the token is for another key than this program's: have one made for this one"};
  }
  const auto identity = Identity::parse(claim.identity);
  if (!identity || !identity->valid() || identity->type() == IdentityType::kIpAddress) {
    return Rejection{RefusalCode::kBadIdentity,
                     "the token's subject is not an identity, like str:alice"};
  }
  if (!login.identity.empty() && login.identity != identity->text()) {
    return Rejection{RefusalCode::kBadIdentity,
                     "the token is for " + identity->text() + ": log in under that name"};
  }
  registry_.note_login(login.app_id, identity->text(), key);
  return Proved{*identity, config_.renewal_seconds};
}

// It ends when the last token's login ends: otherwise one token would be good for ever.
std::optional<Authority::Proved> Authority::certified(const Login& login, const PublicKey& key,
                                                      std::int64_t unix_seconds) const {
  const auto certificate = decode_certificate(login.certificate);
  if (!certificate) return std::nullopt;
  const auto identity = Identity::parse(certificate->identity);
  if (!identity || (!login.identity.empty() && login.identity != identity->text()))
    return std::nullopt;
  if (certificate->not_before + kBackdateSeconds < config_.logins_since) return std::nullopt;
  TrustStore own;
  own.add_authority(key_.verify_key());
  const CertificateClaim claim{login.app_id, certificate->identity, key};
  const bool valid =
      own.verify(login.certificate, claim, unix_seconds * 1000) == CertificateStatus::kValid;
  if (!valid) return std::nullopt;
  return Proved{*identity, certificate->not_after - unix_seconds};
}

std::variant<Authority::Proved, Rejection> Authority::number(const Login& login,
                                                             const PublicKey& key,
                                                             const IpAddress& from,
                                                             std::int64_t unix_seconds) {
  if (registry_.has_number(login.app_id, key) == Registry::Answer::kNo) {
    if (auto rejection = refuse_new(from, unix_seconds)) return std::move(*rejection);
  }
  const auto number = registry_.number_of(login.app_id, key);
  if (!number) return unavailable();
  const Identity identity = Identity::steam_id(kNumericBase | *number);
  if (!login.identity.empty() && login.identity != identity.text()) {
    return Rejection{RefusalCode::kBadIdentity,
                     "this server gives numbers away, and this key has " + identity.text() +
                         ": log in as that, or without a name"};
  }
  return Proved{identity};
}

std::optional<Rejection> Authority::refuse_revoked(const PublicKey& key) {
  switch (registry_.revoked(key)) {
    case Registry::Answer::kYes:
      return Rejection{RefusalCode::kRevoked, kRevokedText};
    case Registry::Answer::kNo:
      return std::nullopt;
    case Registry::Answer::kUnavailable:
      break;
  }
  return unavailable();
}

std::variant<Authority::Proved, Rejection> Authority::identify(const Login& login,
                                                               const PublicKey& key,
                                                               const IpAddress& from,
                                                               std::int64_t unix_seconds) {
  if (login.version != kVersion) {
    return Rejection{
        RefusalCode::kUnsupported,
        "the server speaks another version of the protocol: update whichever is older"};
  }
  if (config_.app_id && *config_.app_id != login.app_id) {
    return Rejection{RefusalCode::kWrongApp,
                     "this server serves app id " + std::to_string(*config_.app_id) +
                         " alone, and this program has app id " + std::to_string(login.app_id)};
  }
  if (auto rejection = refuse_revoked(key)) return *std::move(rejection);
  switch (config_.mode) {
    case AuthorityConfig::Mode::kOpen:
      return claim_name(login, key, from, unix_seconds);
    case AuthorityConfig::Mode::kToken:
      return name_of_token(login, key, unix_seconds);
    case AuthorityConfig::Mode::kNumeric:
      break;
  }
  return number(login, key, from, unix_seconds);
}

std::variant<Admission, Rejection> Authority::admit(const Login& login, const PublicKey& key,
                                                    const IpAddress& from,
                                                    std::int64_t unix_seconds) {
  auto identified = identify(login, key, from, unix_seconds);
  if (auto* rejection = std::get_if<Rejection>(&identified)) return std::move(*rejection);
  const auto& [identity, renewable] = std::get<Proved>(identified);
  return Admission{identity, certify(identity, login.app_id, key, unix_seconds, renewable),
                   renewable};
}

std::variant<std::vector<std::uint8_t>, Rejection> Authority::renew(
    const Identity& identity, std::uint32_t app_id, const PublicKey& key, std::int64_t unix_seconds,
    std::int64_t renewable_seconds) {
  if (auto rejection = refuse_revoked(key)) return *std::move(rejection);
  return certify(identity, app_id, key, unix_seconds, renewable_seconds);
}

std::optional<std::vector<std::uint8_t>> Authority::revocations(std::int64_t unix_seconds) {
  const std::int64_t since = unix_seconds - kLongestCertificateSeconds - kBackdateSeconds;
  const auto keys = registry_.revoked_since(since, kRevokedKeysMax);
  if (!keys) return std::nullopt;
  if (keys->empty()) return std::vector<std::uint8_t>();
  return sign_revocations({unix_seconds, {}, *keys}, key_);
}

std::vector<std::uint8_t> Authority::certify(const Identity& identity, std::uint32_t app_id,
                                             const PublicKey& key, std::int64_t unix_seconds,
                                             std::int64_t renewable_seconds) {
  Certificate certificate;
  certificate.app_id = app_id;
  // Above all serials before a restart, if there were less than a million a second.
  serial_ = std::max(serial_ + 1, static_cast<std::uint64_t>(unix_seconds) << 20);
  certificate.serial = serial_;
  certificate.not_before = unix_seconds - kBackdateSeconds;
  certificate.not_after =
      unix_seconds + std::clamp<std::int64_t>(renewable_seconds, 0, config_.certificate_seconds);
  certificate.static_key = key;
  certificate.identity = identity.text();
  return sign_certificate(std::move(certificate), key_);
}

}  // namespace whimbrel::rendezvous
