// NetworkingMessages: from a Config to a running instance.
#include <algorithm>

#include "api/farewell.h"
#include "api/instance.h"
#include "crypto/suite_choice.h"
#include "io/abandoned.h"
#include "io/key_files.h"
#include "io/resolve.h"
#include "io/system_random.h"
#include "rendezvous/messages.h"

namespace whimbrel {

struct NetworkingMessages::Impl::Parts {
  EndpointConfig endpoint;
  std::optional<NetworkConfig> server;
  NameLookup::Resolve server_name;  // empty where an address is given
  Core::Sockets sockets;
  Settings settings;
  Inbox::OnEviction on_eviction;
  bool own_thread = true;
  std::size_t poll_datagrams_max = 1;
};

namespace {

constexpr std::string_view kDefaultBindV6 = "[::]:0";

// Every step answers what is wrong, or nothing.
using Fault = std::optional<std::string>;

Fault read_options(const Config& config, Settings& settings) {
  for (const OptionValue& one : config.options) {
    if (Fault fault = check_option(one.option, one.value)) return fault;
    settings.set(one.option, one.value);
  }
  return std::nullopt;
}

Fault read_keys(const Config& config, Random& random, EndpointConfig& out) {
  if (config.key_file.empty()) {
    out.keys = generate_x25519(random);
    return std::nullopt;
  }
  auto secret = read_or_make_secret_key(config.key_file, random);
  if (!secret) return "key file: " + secret.error();
  out.keys.secret = *secret;
  out.keys.public_key = x25519_public(*secret);
  return std::nullopt;
}

// A machine without a battery for its clock learns the time only when it has a network; its peers
// judge by their own clocks.
Fault check_certificate_times(const Certificate& certificate, const std::string& file,
                              const EndpointConfig& config) {
  const std::int64_t now = unix_now() / 1000;
  if (now > certificate.not_after) {
    return "certificate '" + file +
           "' has expired: have a new one issued, or set this computer's clock";
  }
  const bool early = now + kNotBeforeLeewaySeconds < certificate.not_before;
  if (early && config.log && config.log_level >= LogLevel::kWarning) {
    config.log(LogLevel::kWarning,
               "certificate '" + file + "' is not valid yet: look at this computer's clock");
  }
  return std::nullopt;
}

Fault read_own_certificate(const Config& config, EndpointConfig& out) {
  if (config.certificate_file.empty()) return std::nullopt;
  const std::string& file = config.certificate_file;
  auto encoded = read_certificate(file);
  if (!encoded) return "certificate: " + encoded.error();
  const auto certificate = decode_certificate(*encoded);
  const auto identity = Identity::parse(certificate->identity);
  if (!identity || !identity->valid()) return "certificate '" + file + "' names nobody";
  if (out.identity.valid() && out.identity != *identity) {
    return "certificate '" + file + "' is for " + certificate->identity + ", not for " +
           out.identity.text();
  }
  if (certificate->static_key != out.keys.public_key) {
    return "certificate '" + file + "' is for another key than the one in " +
           (config.key_file.empty() ? std::string("use (no key file was given)")
                                    : "'" + config.key_file + "'");
  }
  if (certificate->app_id != config.app_id) {
    return "certificate '" + file + "' is for app id " + std::to_string(certificate->app_id) +
           ", not " + std::to_string(config.app_id);
  }
  out.identity = *identity;
  out.certificate = std::move(*encoded);
  return check_certificate_times(*certificate, file, out);
}

Fault read_authorities(const Config& config, const Settings& settings, EndpointConfig& out) {
  for (const std::string& file : config.authority_files) {
    const auto key = read_authority(file);
    if (!key) return "authority: " + key.error();
    if (!out.trust.add_authority(*key)) {
      return "at most " + std::to_string(TrustStore::kAuthoritiesMax) + " authorities can be given";
    }
  }
  out.require_certificate = settings.is_set(Option::kAllowWithoutAuth)
                                ? settings.get(Option::kAllowWithoutAuth) == 0
                                : !out.trust.empty();
  if (out.require_certificate && out.trust.empty()) {
    return std::string(kNeedsAuthorities);
  }
  return std::nullopt;
}

Fault bind_one(const std::string& text, bool v4, const Config& config, Core::Sockets& sockets) {
  if (text.empty()) return std::nullopt;
  const auto address = IpAddress::parse(text);
  if (!address || address->is_v4() != v4) {
    return "bind address '" + text + "' is not like " + (v4 ? "0.0.0.0:4000" : "[::]:4000");
  }
  // A default that this machine cannot fulfil is no mistake of the caller.
  if (!v4 && text == kDefaultBindV6 && !UdpSocket::family_available(false)) return std::nullopt;
  UdpSocket::Settings settings;
  settings.offload = config.offload;
  auto bound = UdpSocket::bind(*address, settings);
  if (!bound) return bound.error();
  sockets.push_back(std::move(*bound));
  return std::nullopt;
}

Fault bind_sockets(const Config& config, Core::Sockets& sockets) {
  if (Fault fault = bind_one(config.bind_v4, true, config, sockets)) return fault;
  if (Fault fault = bind_one(config.bind_v6, false, config, sockets)) return fault;
  if (sockets.empty())
    return "there is no address to bind: bind_v4 and bind_v6 are both empty or unavailable";
  return std::nullopt;
}

AddressFamilies families_of(const Core::Sockets& sockets) {
  AddressFamilies families{.v4 = false, .v6 = false};
  for (const auto& socket : sockets) (socket->is_v4() ? families.v4 : families.v6) = true;
  return families;
}

// "HOST:PORT" or "HOST:PORT,KEY".
Fault read_server(const Config& config, const Settings& settings, const AddressFamilies& families,
                  std::optional<NetworkConfig>& out, NameLookup::Resolve& look_up) {
  if (config.server.empty()) return std::nullopt;
  NetworkConfig server;
  const std::size_t comma = config.server.find(',');
  if (comma != std::string::npos) {
    server.server_key = public_key_from_hex(std::string_view(config.server).substr(comma + 1));
    if (!server.server_key) {
      return "server '" + config.server +
             "': after the comma comes the server's key, 64 hex digits";
    }
  }
  const std::string host = config.server.substr(0, comma);
  auto addresses = resolve_addresses(host, families, &server.not_found);
  if (!addresses) return "server: " + addresses.error();
  server.servers = std::move(*addresses);
  if (is_host_name(host)) look_up = [host, families] { return resolve_addresses(host, families); };
  if (config.login_token.size() > rendezvous::kTokenTextMax) {
    return "the login token has " + std::to_string(config.login_token.size()) +
           " bytes: at most 4096 are taken";
  }
  server.token = config.login_token;
  server.require_certificates =
      !settings.is_set(Option::kAllowWithoutAuth) || settings.get(Option::kAllowWithoutAuth) == 0;
  out = std::move(server);
  return std::nullopt;
}

LogSink log_sink(const Config& config) {
  if (!config.debug_output) return nullptr;
  return [output = config.debug_output](LogLevel level, std::string_view text) {
    output(static_cast<DebugLevel>(level), text);
  };
}

// They were confirmed to their senders, so the application is told, though no session fails by it.
Inbox::OnEviction log_eviction(const EndpointConfig& config) {
  if (!config.log || config.log_level < LogLevel::kWarning) return nullptr;
  return [log = config.log](const Inbox::Eviction& what) {
    std::string text = std::to_string(what.messages) + " unread messages of " + what.user.text();
    if (what.users > 1) text += " and " + std::to_string(what.users - 1) + " others";
    log(LogLevel::kWarning, text + " were dropped: their sessions are over, and nobody read them");
  };
}

}  // namespace

std::unique_ptr<NetworkingMessages::Impl> NetworkingMessages::Impl::create(const Config& config,
                                                                           std::string* error) {
  SecureRandom random(system_random_seed());
  Parts parts;
  parts.own_thread = config.own_thread;
  parts.poll_datagrams_max = config.poll_datagrams_max;
  parts.endpoint.identity = config.identity;
  parts.endpoint.app_id = config.app_id;
  parts.endpoint.suite = preferred_suite();
  parts.endpoint.log = log_sink(config);
  parts.endpoint.log_level = static_cast<LogLevel>(config.debug_level);
  Fault fault = config.poll_datagrams_max > 0 ? read_options(config, parts.settings)
                                              : Fault("poll_datagrams_max is at least 1");
  if (!fault) fault = read_keys(config, random, parts.endpoint);
  if (!fault) fault = read_own_certificate(config, parts.endpoint);
  if (!fault) fault = read_authorities(config, parts.settings, parts.endpoint);
  if (!fault) fault = bind_sockets(config, parts.sockets);
  parts.endpoint.families = families_of(parts.sockets);
  if (!fault)
    fault = read_server(config, parts.settings, parts.endpoint.families, parts.server,
                        parts.server_name);
  if (!fault) {
    if (const std::string full = Poller::fault(1); !full.empty()) fault = full;
  }
  if (!fault) {
    parts.endpoint.session = parts.settings.session_options();
    parts.settings.apply_to(parts.endpoint.limits);
    parts.on_eviction = log_eviction(parts.endpoint);
    std::unique_ptr<Impl> impl(new Impl(std::move(parts)));
    std::string route_error;
    const bool routed = std::all_of(
        config.routes.begin(), config.routes.end(),
        [&](const Route& route) { return impl->calls_.add_route(route, &route_error); });
    if (routed) return impl;
    fault = route_error;
  }
  if (error != nullptr) *error = *fault;
  return nullptr;
}

NetworkingMessages::Impl::Impl(Parts parts)
    : exchange_(std::make_unique<Core>(std::move(parts.endpoint), parts.server,
                                       std::move(parts.server_name), std::move(parts.sockets),
                                       poller_, clock_, system_random_seed()),
                std::move(parts.settings), parts.own_thread, queues_, handle_, poller_, clock_),
      driver_(parts.own_thread, parts.poll_datagrams_max, exchange_, queues_, handle_, poller_,
              clock_),
      calls_(parts.own_thread, exchange_, queues_, handle_) {
  queues_.inbox.set_on_eviction(std::move(parts.on_eviction));
  driver_.start();
}

NetworkingMessages::Impl::~Impl() {
  if (forked()) return;
  driver_.stop();
  Farewell(exchange_, poller_, clock_).say();
}

void NetworkingMessages::Impl::destroy(std::unique_ptr<Impl> impl) {
  if (!impl->forked() || impl->driver_.left_in_order()) return;
  impl->exchange_.close_descriptors();
  impl->poller_.close_descriptors();
  impl->handle_.close_descriptor();
  abandon(std::move(impl));
}

}  // namespace whimbrel
