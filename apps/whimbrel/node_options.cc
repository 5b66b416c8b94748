#include "node_options.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>

#include "failure.h"
#include "interrupt.h"
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

// The library's addresses have no scope: without it the system would not know which network is
// meant.
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

// RFC 4291 2.5.6. Of a name such an address has a scope, which would be lost.
bool is_link_local(const addrinfo& found) {
  return found.ai_family == AF_INET6 &&
         IN6_IS_ADDR_LINKLOCAL(&reinterpret_cast<const sockaddr_in6*>(found.ai_addr)->sin6_addr);
}

// RFC 8305 section 4: as the system sorts them, but with the families by turns.
std::vector<std::string> by_turns(const addrinfo* found) {
  std::array<std::vector<std::string>, 2> families;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    if ((at->ai_family != AF_INET && at->ai_family != AF_INET6) || is_link_local(*at)) continue;
    std::vector<std::string>& family = families[at->ai_family == found->ai_family ? 0 : 1];
    std::string host = numeric_host(*at);
    if (std::find(family.begin(), family.end(), host) == family.end())
      family.push_back(std::move(host));
  }
  std::vector<std::string> hosts;
  for (std::size_t i = 0; i < std::max(families[0].size(), families[1].size()); ++i) {
    for (const auto& family : families) {
      if (i < family.size()) hosts.push_back(family[i]);
    }
  }
  return hosts;
}

// "localhost:4000" -> "[::1]:4000", "127.0.0.1:4000", in the order in which they are to be tried.
// Addresses stay as they are.
std::vector<std::string> resolve(const std::string& text) {
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
  std::vector<std::string> addresses = by_turns(found);
  ::freeaddrinfo(found);
  if (addresses.empty()) {
    throw Failure(fmt::format("the host \"{}\" has no address that can be used", parts->host));
  }
  for (std::string& address : addresses) address += ":" + parts->port;
  return addresses;
}

// For an identity, which is one address. IPv4 first: "localhost" is both, and far more programs
// listen there.
std::string resolve_one(const std::string& text) {
  const std::vector<std::string> all = resolve(text);
  const auto v4 =
      std::find_if(all.begin(), all.end(), [](const auto& one) { return one[0] != '['; });
  return v4 == all.end() ? all.front() : *v4;
}

// "HOST:PORT,HOST:PORT,KEY": addresses, and in the end a key if there is one.
void read_places(const std::string& places, const std::string& text, whimbrel::Route& route) {
  std::vector<std::string> addresses;
  for (std::size_t at = 0; at <= places.size();) {
    const std::size_t comma = std::min(places.find(',', at), places.size());
    const std::string part = places.substr(at, comma - at);
    at = comma + 1;
    if (addresses.empty() || part.find(':') != std::string::npos) {
      for (std::string& address : resolve(part)) addresses.push_back(std::move(address));
      continue;
    }
    route.public_key_hex = part;
    const bool hex = std::all_of(part.begin(), part.end(),
                                 [](unsigned char c) { return std::isxdigit(c) != 0; });
    if (!hex || part.size() != 64 || at <= places.size()) {
      throw UsageError(fmt::format(
          "--peer {}: after the comma comes the peer's public key, 64 hex digits", text));
    }
  }
  addresses.resize(std::min(addresses.size(), whimbrel::Route::kAddressesMax));
  route.address = fmt::format("{}", fmt::join(addresses, ","));
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
  read_places(text.substr(equals + 1), text, route);
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

// A server gives a name to the first key that claims it, so a key that is gone with the process
// would lock its own name. Empty where there is no home: then the key is a fresh one.
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
    return *Identity::parse("ip:" + resolve_one(text));
  }
  if (!identity || !identity->valid()) {
    throw UsageError(fmt::format("\"{}\" is not a user: {}", text, error));
  }
  return *identity;
}

namespace {

constexpr std::size_t kTokenFileMax = 64 * 1024;

// Why there is no reading it; empty where there is.
std::string token_file_fault(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) return error ? error.message() : std::strerror(ENOENT);
  if (std::filesystem::is_directory(status)) return "it is a folder";
  if (::access(path.c_str(), R_OK) != 0) return std::strerror(errno);
  return "";
}

// Whatever is given is sent to the server: a file with a key must not be.
bool is_word(const std::string& token) {
  return std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

std::string token_of(const std::string& text) {
  constexpr const char* kWanted = "wanted is a file with a token of the game's backend";
  if (text.empty() || text[0] != '@') {
    if (is_word(text)) return text;
    throw Failure("the token is one word without spaces; --token @FILE reads it from a file");
  }
  const std::string path = text.substr(1);
  if (const std::string fault = token_file_fault(path); !fault.empty())
    throw Failure(fmt::format("the token: cannot read '{}': {}; {}", path, fault, kWanted));
  // May be a pipe.
  std::ifstream file(path, std::ios::binary);
  std::string token(kTokenFileMax, '\0');
  file.read(token.data(), static_cast<std::streamsize>(token.size()));
  if (!file.eof()) {
    throw Failure(fmt::format("the token: '{}' is too large: it has more than {} bytes; {}", path,
                              kTokenFileMax, kWanted));
  }
  token.resize(static_cast<std::size_t>(file.gcount()));
  // The newline with which an editor or echo ends a file.
  token.resize(token.find_last_not_of(" \t\r\n") + 1);
  if (token.empty()) throw Failure(fmt::format("the token: '{}' is empty; {}", path, kWanted));
  if (!is_word(token)) {
    throw Failure(fmt::format("the token: '{}' has no token, which is one word without spaces; {}",
                              path, kWanted));
  }
  return token;
}

std::string login_token(const NodeOptions& options) {
  if (!options.token.empty()) {
    if (options.server.empty())
      throw UsageError("--token is for a server: name it with --server HOST:PORT");
    return token_of(options.token);
  }
  const char* usual = std::getenv("WHIMBREL_TOKEN");
  return usual == nullptr || options.server.empty() ? "" : token_of(usual);
}

}  // namespace

whimbrel::Config make_config(const NodeOptions& options) {
  whimbrel::Config config;
  if (!options.name.empty()) config.identity = parse_user(options.name);
  bind_addresses(options, config);
  for (const std::string& text : options.peers) config.routes.push_back(parse_route(text));
  for (const std::string& text : options.settings) config.options.push_back(parse_setting(text));
  config.server = options.server;
  config.login_token = login_token(options);
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
  std::unique_ptr<whimbrel::NetworkingMessages> net;
  {
    const EndsAtOnce ends_at_once;
    net = whimbrel::NetworkingMessages::create(make_config(options), &error);
  }
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
