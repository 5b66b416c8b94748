#include "rendezvous/backend_token.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "crypto/hash.h"
#include "crypto/secure_memory.h"
#include "rendezvous/base64url.h"

namespace whimbrel::rendezvous {

namespace {

using Json = nlohmann::json;
using Checked = std::variant<BackendClaim, std::string>;

struct Parts {
  std::string_view signed_text;  // header.payload
  std::string_view header, payload, signature;
};

// RFC 7515 3.1: three parts with two dots between them.
std::optional<Parts> split(std::string_view token) {
  const std::size_t first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  if (token.find('.', second + 1) != std::string_view::npos) return std::nullopt;
  return Parts{token.substr(0, second), token.substr(0, first),
               token.substr(first + 1, second - first - 1), token.substr(second + 1)};
}

std::optional<Json> decode_object(std::string_view text) {
  const auto bytes = base64url_decode(text);
  if (!bytes) return std::nullopt;
  Json value = Json::parse(*bytes, nullptr, false);
  if (!value.is_object()) return std::nullopt;
  return value;
}

const char* algorithm_of(const BackendKey& key) {
  return std::holds_alternative<VerifyKey>(key) ? "EdDSA" : "HS256";
}

bool signature_valid(const BackendKey& key, std::string_view text, Bytes signature) {
  if (const auto* verify_key = std::get_if<VerifyKey>(&key)) {
    return verify_signature(*verify_key, as_bytes(text), signature);
  }
  const Digest mac = hmac_sha256(std::get<Hs256Key>(key).bytes, {as_bytes(text)});
  return constant_time_equal(mac, signature);
}

// What is wrong with the header; empty: nothing.
std::string header_fault(const Json& header, const BackendKey& key) {
  const auto algorithm = header.find("alg");
  // RFC 8725 3.1: the algorithm is the server's choice, never the token's.
  if (algorithm == header.end() || *algorithm != algorithm_of(key)) {
    return std::string("the token's alg is not ") + algorithm_of(key) + ", which this server wants";
  }
  // RFC 7515 4.1.11: extensions that are critical and not understood.
  if (header.contains("crit")) return "the token's header has crit, which this server knows not";
  return {};
}

// RFC 7519 2: NumericDate, with or without a fraction.
std::optional<double> date(const Json& claims, const char* name) {
  const auto at = claims.find(name);
  if (at == claims.end() || !at->is_number()) return std::nullopt;
  return at->get<double>();
}

std::string time_fault(const Json& claims, std::int64_t unix_seconds) {
  const auto now = static_cast<double>(unix_seconds);
  const auto expires = date(claims, "exp");
  if (!expires) return "the token has no exp: the backend must say until when it is good";
  if (!(now < *expires)) return "the token is too old: get a new one of the backend";
  if (!claims.contains("nbf")) return {};
  const auto begins = date(claims, "nbf");
  if (!begins) return "the token's nbf is no number";
  if (!(*begins <= now + static_cast<double>(kTokenLeewaySeconds))) {
    return "the token is not valid yet: look at the clocks of the backend and of this server";
  }
  return {};
}

std::optional<std::uint32_t> number_of(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    if (number > UINT32_MAX) return std::nullopt;
    return static_cast<std::uint32_t>(number);
  }
  if (!value.is_string()) return std::nullopt;
  const auto& text = value.get_ref<const std::string&>();
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// RFC 7519 4.1.3. False: it is there, and names no application.
bool read_audience(const Json& claims, BackendClaim& claim) {
  const auto at = claims.find("aud");
  if (at == claims.end()) return true;
  const bool list_of_one = at->is_array() && at->size() == 1;
  claim.app_id = number_of(list_of_one ? at->front() : *at);
  return claim.app_id.has_value();
}

// RFC 7800 3.1, with the member that RFC 9449 6.1 names. False: it is there, and this server cannot
// check it.
bool read_confirmation(const Json& claims, BackendClaim& claim) {
  const auto at = claims.find("cnf");
  if (at == claims.end()) return true;
  if (!at->is_object() || at->size() != 1) return false;
  const auto thumbprint = at->find("jkt");
  if (thumbprint == at->end() || !thumbprint->is_string()) return false;
  const auto bytes = base64url_decode(thumbprint->get_ref<const std::string&>());
  if (!bytes || bytes->size() != kDigestSize) return false;
  claim.key_thumbprint.emplace();
  std::copy(bytes->begin(), bytes->end(), claim.key_thumbprint->begin());
  return true;
}

Checked read_claims(const Json& claims, std::int64_t unix_seconds) {
  if (std::string fault = time_fault(claims, unix_seconds); !fault.empty()) return fault;
  BackendClaim claim;
  const auto subject = claims.find("sub");
  if (subject == claims.end() || !subject->is_string())
    return "the token has no sub: the backend must say whom it is for";
  claim.identity = subject->get<std::string>();
  if (claim.identity.empty() || claim.identity.size() > kIdentityTextSizeMax) {
    return "the token's sub is not 1 to 127 bytes";
  }
  if (!read_audience(claims, claim)) return "the token's aud is not the number of one application";
  if (!read_confirmation(claims, claim)) return "the token's cnf is not a jkt alone";
  return claim;
}

}  // namespace

Digest key_thumbprint(const PublicKey& key) {
  const std::string json =
      R"({"crv":"X25519","kty":"OKP","x":")" + base64url_encode(key.view()) + R"("})";
  return sha256({as_bytes(json)});
}

Checked check_backend_token(const BackendKey& key, std::string_view token,
                            std::int64_t unix_seconds) {
  if (token.size() > kTokenTextMax) return "the token is larger than 4096 bytes";
  const auto parts = split(token);
  if (!parts) return "the token is not a JWT: three parts with dots between them";
  const auto header = decode_object(parts->header);
  const auto signature = base64url_decode(parts->signature);
  if (!header || !signature) return "the token is not a JWT: base64url of JSON";
  if (std::string fault = header_fault(*header, key); !fault.empty()) return fault;
  if (!signature_valid(key, parts->signed_text, *signature)) {
    return "the token's signature is wrong: the backend's key is not the one that this server "
           "knows";
  }
  const auto claims = decode_object(parts->payload);
  if (!claims) return "the token's claims are not a JSON object";
  return read_claims(*claims, unix_seconds);
}

TokenCheck backend_token_check(BackendKey key) {
  if (const auto* shared = std::get_if<Hs256Key>(&key)) {
    ASSERT(shared->bytes.size() >= kHs256KeySizeMin);
  }
  return [key = std::move(key)](const std::string& token, std::int64_t unix_seconds) {
    return check_backend_token(key, token, unix_seconds);
  };
}

}  // namespace whimbrel::rendezvous
