#include "node_options.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>

#include "failure.h"
#include "text.h"

namespace {

using whimbrel::Identity;

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

struct HostPort {
  std::string host;  // without brackets; empty in ":4000" and "4000"
  std::string port;
  bool bracketed = false;
};

// "host:port", "[v6]:port", ":port" or "port".
std::optional<HostPort> split_address(const std::string& text) {
  if (parse_port(text)) return HostPort{"", text};
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || !parse_port(std::string_view(text).substr(colon + 1)))
    return std::nullopt;
  HostPort parts{text.substr(0, colon), text.substr(colon + 1)};
  if (parts.host.size() >= 2 && parts.host.front() == '[' && parts.host.back() == ']') {
    parts.host = parts.host.substr(1, parts.host.size() - 2);
    parts.bracketed = true;
  }
  if (!parts.bracketed && parts.host.find(':') != std::string::npos) return std::nullopt;
  return parts;
}

// The library's addresses have no scope: without it the system would not know which network is meant.
void refuse_scope(const std::string& host, const std::string& text) {
  if (host.find('%') == std::string::npos) return;
  throw UsageError(
      fmt::format("{}: an address with a scope (\"{}\") can't be used: give one that needs none, "
                  "like the computer's IPv4 or global IPv6 address",
                  text, host.substr(host.find('%'))));
}

bool is_numeric(const HostPort& parts) {
  in6_addr ignored{};
  return ::inet_pton(parts.bracketed ? AF_INET6 : AF_INET, parts.host.c_str(), &ignored) == 1;
}

std::string numeric_host(const addrinfo& found) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* address = found.ai_family == AF_INET6
                            ? static_cast<const void*>(
                                  &reinterpret_cast<const sockaddr_in6*>(found.ai_addr)->sin6_addr)
                            : static_cast<const void*>(
                                  &reinterpret_cast<const sockaddr_in*>(found.ai_addr)->sin_addr);
  ::inet_ntop(found.ai_family, address, text.data(), text.size());
  return found.ai_family == AF_INET6 ? fmt::format("[{}]", text.data()) : text.data();
}

// "localhost:4000" -> "127.0.0.1:4000". Addresses stay as they are.
std::string resolve(const std::string& text) {
  const auto parts = split_address(text);
  if (!parts || parts->host.empty() || *parse_port(parts->port) == 0) {
    throw UsageError(fmt::format(
        "\"{}\" is not an address: write HOST:PORT, like 192.168.1.7:4000 or [::1]:4000", text));
  }
  refuse_scope(parts->host, text);
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(parts->host.c_str(), nullptr, &hints, &found);
  if (error != 0) {
    throw Failure(
        fmt::format("can't find the host \"{}\" ({}): check the name, or give its address",
                    parts->host, ::gai_strerror(error)));
  }
  // IPv4 first: "localhost" is both, and far more programs listen there.
  const addrinfo* chosen = found;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    if (at->ai_family == AF_INET) {
      chosen = at;
      break;
    }
  }
  const std::string host = numeric_host(*chosen);
  ::freeaddrinfo(found);
  return host + ":" + parts->port;
}

whimbrel::Route parse_route(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw UsageError(
        fmt::format("--peer {}: write NAME=HOST:PORT, like bob=192.168.1.7:4000", text));
  }
  if (text.find('=', equals + 1) != std::string::npos) {
    throw UsageError(fmt::format(
        "--peer {}: it has two \"=\"; write NAME=HOST:PORT, and --peer again for another user",
        text));
  }
  whimbrel::Route route;
  route.identity = parse_user(text.substr(0, equals));
  std::string address = text.substr(equals + 1);
  if (const std::size_t comma = address.find(','); comma != std::string::npos) {
    route.public_key_hex = address.substr(comma + 1);
    address.resize(comma);
    const bool hex = std::all_of(route.public_key_hex.begin(), route.public_key_hex.end(),
                                 [](unsigned char c) { return std::isxdigit(c) != 0; });
    if (!hex || route.public_key_hex.size() != 64) {
      throw UsageError(fmt::format(
          "--peer {}: after the comma comes the peer's public key, 64 hex digits", text));
    }
  }
  route.address = resolve(address);
  return route;
}

// --listen: a bare port means every address of both families; an address means that one alone.
void bind_addresses(const NodeOptions& options, whimbrel::Config& config) {
  if (options.listen.empty()) return;
  config.bind_v4.clear();
  config.bind_v6.clear();
  for (const std::string& text : options.listen) {
    const auto parts = split_address(text);
    if (!parts) {
      throw UsageError(fmt::format(
          "--listen {}: write HOST:PORT or :PORT, like 0.0.0.0:4000 or [::1]:4000", text));
    }
    refuse_scope(parts->host, "--listen " + text);
    if (!parts->host.empty() && parts->host != "localhost" && !is_numeric(*parts)) {
      throw UsageError(
          fmt::format("--listen {}: \"{}\" is not an address of this computer in numbers; :{} "
                      "listens on all of them",
                      text, parts->host, parts->port));
    }
    const bool v6 = parts->bracketed;
    if (parts->host.empty()) {
      config.bind_v4 = "0.0.0.0:" + parts->port;
      config.bind_v6 = "[::]:" + parts->port;
    } else if (v6) {
      config.bind_v6 = text;
    } else {
      config.bind_v4 = parts->host == "localhost" ? "127.0.0.1:" + parts->port : text;
    }
  }
}

// A server gives a name to the first key that claims it, so a key that is gone with the process would lock its own name.
// Empty where there is no home: then the key is a fresh one.
std::string default_key_file(const Identity& identity) {
  namespace fs = std::filesystem;
  const char* config = std::getenv("XDG_CONFIG_HOME");
  const char* home = std::getenv("HOME");
  if ((config == nullptr || *config == '\0') && (home == nullptr || *home == '\0')) return "";
  const fs::path folder =
      (config != nullptr && *config != '\0' ? fs::path(config) : fs::path(home) / ".config") /
      "whimbrel";
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return "";
  std::string name = identity.text();
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '.') c = '_';
  }
  return (folder / (name + ".key")).string();
}

whimbrel::OptionValue parse_setting(const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::string name = text.substr(0, equals);
  if (equals == std::string::npos) {
    throw UsageError(fmt::format("--set {}: write NAME=VALUE, like FakePacketLossSend=5", text));
  }
  const whimbrel::OptionInfo* info = whimbrel::find_option(name);
  if (info == nullptr) {
    throw UsageError(
        fmt::format("--set {}: no option has this name; \"whimbrel options\" lists them", text));
  }
  std::int64_t value = 0;
  const char* begin = text.data() + equals + 1;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(begin, end, value);
  if (error != std::errc() || at != end || value < info->min || value > info->max) {
    throw UsageError(fmt::format("--set {}: {} takes a whole number from {} to {} ({})", text,
                                 info->name, info->min, info->max, info->unit));
  }
  return {info->option, value};
}

whimbrel::DebugLevel debug_level(int verbosity) {
  if (verbosity >= 2) return whimbrel::DebugLevel::kDebug;
  return verbosity == 1 ? whimbrel::DebugLevel::kInfo : whimbrel::DebugLevel::kWarning;
}

}  // namespace

void note(std::string_view line) { fmt::print(stderr, "whimbrel: {}\n", printable(line)); }

bool AcceptPolicy::accepts(const Identity& user) const {
  if (!given()) return fallback == Fallback::kEverybody;
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return name == "all" || parse_user(name) == user;
  });
}

Identity parse_user(const std::string& text) {
  if (text.find(':') == std::string::npos) {
    Identity identity = Identity::generic_string(text);
    if (identity.valid()) return identity;
    throw UsageError(fmt::format("\"{}\" is not a name: it may have 1 to {} bytes", text,
                                 Identity::kGenericStringMax));
  }
  std::string error;
  const auto identity = Identity::parse(text, &error);
  const auto address = split_address(text);
  const bool typed = identity && identity->type() != whimbrel::IdentityType::kUnknown;
  if (!typed && address && !address->host.empty()) {
    return *Identity::parse("ip:" + resolve(text));
  }
  if (!identity || !identity->valid()) {
    throw UsageError(fmt::format("\"{}\" is not a user: {}", text, error));
  }
  return *identity;
}

whimbrel::Config make_config(const NodeOptions& options) {
  whimbrel::Config config;
  if (!options.name.empty()) config.identity = parse_user(options.name);
  bind_addresses(options, config);
  for (const std::string& text : options.peers) config.routes.push_back(parse_route(text));
  for (const std::string& text : options.settings) config.options.push_back(parse_setting(text));
  config.server = options.server;
  config.key_file = options.key_file;
  if (config.key_file.empty() && !options.server.empty() && config.identity.valid()) {
    config.key_file = default_key_file(config.identity);
  }
  config.certificate_file = options.certificate_file;
  config.authority_files = options.authority_files;
  config.app_id = options.app_id;
  config.debug_level = debug_level(options.verbosity);
  config.debug_output = [](whimbrel::DebugLevel, std::string_view line) { note(line); };
  return config;
}

NodeOptions for_transfers(NodeOptions options) {
  // The later setting of an option counts.
  options.settings.insert(options.settings.begin(),
                          {"SendBufferSize=8388608", "RecvBufferSize=16777216"});
  return options;
}

std::unique_ptr<whimbrel::NetworkingMessages> open_node(const NodeOptions& options) {
  std::string error;
  auto net = whimbrel::NetworkingMessages::create(make_config(options), &error);
  if (net == nullptr) throw Failure(error);
  if (options.verbosity > 0) {
    const auto& me = net->identity();
    note(fmt::format("{} on UDP port {} (IPv4) and {} (IPv6), key {}",
                     me.valid() ? me.text() : "nameless", net->port_v4(), net->port_v6(),
                     net->public_key_hex()));
  }
  return net;
}

int bound_port(const whimbrel::NetworkingMessages& net) {
  return net.port_v4() != 0 ? net.port_v4() : net.port_v6();
}
