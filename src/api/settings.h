// The values of all options, checked, and what the layers below make of them.
#pragma once

#include <whimbrel/config.h>

#include <array>
#include <optional>
#include <string>
#include <unordered_map>

#include "api/identity_hash.h"
#include "endpoint/endpoint_config.h"
#include "io/fake_network.h"
#include "session/session_options.h"

namespace whimbrel {

// What is wrong with a value, in a sentence that names the range; nothing if it is fine.
std::optional<std::string> check_option(Option option, std::int64_t value);

// Why AllowWithoutAuth 0 is refused.
inline constexpr std::string_view kNeedsAuthorities =
    "AllowWithoutAuth 0 needs authority files: nobody could show a certificate that we trust";

// Not thread-safe.
class Settings {
 public:
  // Users with values of their own; over it set_for() refuses.
  static constexpr std::size_t kUsersMax = 65536;

  Settings();

  // The value was checked.
  void set(Option option, std::int64_t value);
  // False when kUsersMax is reached.
  bool set_for(const Identity& user, Option option, std::int64_t value);
  std::int64_t get(Option option) const;
  // Somebody chose it.
  bool is_set(Option option) const;

  SessionOptions session_options() const;
  SessionOptions session_options_for(const Identity& user) const;
  std::vector<Identity> users() const;
  FakeLinkSettings fake_send() const;
  FakeLinkSettings fake_receive() const;
  void apply_to(EndpointLimits& limits) const;

 private:
  using Values = std::unordered_map<int, std::int64_t>;
  static SessionOptions make_session_options(const Values& values);

  Values values_;
  Values chosen_;
  std::unordered_map<Identity, Values, KeyedIdentityHash> user_values_;
};

}  // namespace whimbrel
