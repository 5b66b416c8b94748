#include "service.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>

#include "admin_address.h"
#include "crypto/hash.h"
#include "io/clock.h"
#include "io/key_files.h"
#include "rendezvous/backend_token.h"
#include "token_secret.h"

using namespace whimbrel;

namespace {

IpAddress parse_listen(const std::string& text) {
  // Port 0, "any", is an answer only where it was written.
  const auto address = IpAddress::parse(text);
  if (address && address->port != 0) return *address;
  if (address && text.size() >= 2 && text.substr(text.size() - 2) == ":0") return *address;
  throw std::runtime_error(fmt::format(
      "server.listen: \"{}\" is no address with a port, like 0.0.0.0:4040 or [::]:4040", text));
}

void warn(const std::string& text) { spdlog::warn("{}", text); }

// A file that is named in the settings, perhaps as one that systemd hands over.
std::string file_of(const std::string& where, const std::string& path) {
  constexpr std::string_view kCredentials = "${CREDENTIALS_DIRECTORY}/";
  if (!path.starts_with(kCredentials)) return path;
  const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
  if (folder == nullptr || *folder == '\0') {
    throw std::runtime_error(
        fmt::format("{}: {} is not set: systemd sets it for a service that has LoadCredential=; "
                    "elsewhere set it to the folder of that file, or name the file itself",
                    where, kCredentials.substr(2, kCredentials.size() - 4)));
  }
  return fmt::format("{}/{}", folder, path.substr(kCredentials.size()));
}

Recorded recorded(const Settings& settings) {
  return settings.log_level == "debug" ? Recorded::kAll : Recorded::kTrouble;
}

// Nothing where no tokens are taken.
std::optional<rendezvous::BackendKey> read_backend_key(const Settings& settings) {
  if (settings.login != LoginMode::kToken) return std::nullopt;
  const std::string path = file_of("login.token_key_file", settings.token_key_file);
  if (settings.token_algorithm != "EdDSA") return read_token_secret(path, warn);
  auto key = read_authority(path);
  if (!key) throw std::runtime_error("login.token_key_file: " + key.error());
  return *key;
}

// Stands for how players prove who they are: another one after each change of the mode or of the
// key of tokens.
std::string proof_of(LoginMode mode, const std::optional<rendezvous::BackendKey>& key) {
  if (!key) return mode == LoginMode::kOpen ? "open" : "numeric";
  const auto* secret = std::get_if<rendezvous::Hs256Key>(&*key);
  const Bytes bytes = secret != nullptr ? Bytes(secret->bytes) : std::get<VerifyKey>(*key).view();
  return "token " + to_hex(sha256({as_bytes("whimbreld logins"), bytes}));
}

rendezvous::AuthorityConfig authority_config(const Settings& settings,
                                             const std::optional<rendezvous::BackendKey>& key) {
  rendezvous::AuthorityConfig config;
  using Mode = rendezvous::AuthorityConfig::Mode;
  config.mode = settings.login == LoginMode::kOpen    ? Mode::kOpen
                : settings.login == LoginMode::kToken ? Mode::kToken
                                                      : Mode::kNumeric;
  if (settings.app_id != 0) config.app_id = settings.app_id;
  config.certificate_seconds = std::int64_t{settings.certificate_hours} * 3600;
  config.renewal_seconds = std::int64_t{settings.renew_hours} * 3600;
  config.names_of_key_max = settings.names_of_key;
  config.new_names_per_minute = settings.new_names_per_minute;
  config.new_names_of_network_per_minute = settings.new_names_of_network;
  if (key) config.check_token = rendezvous::backend_token_check(*key);
  return config;
}

// Without what the state has.
ServerLoopConfig loop_config(const Settings& settings, RelayNames& names) {
  ServerLoopConfig config;
  for (const std::string& text : settings.listen) {
    const IpAddress address = parse_listen(text);
    // A machine without IPv6 is no fault, as long as nobody insists.
    const bool optional =
        !address.is_v4() && address.is_unspecified() && settings.listen.size() > 1;
    if (optional && !UdpSocket::family_available(false)) continue;
    config.listen.push_back(address);
  }
  config.threads = settings.relay_threads;
  SiteConfig& site = config.site;
  site.rendezvous = settings.rendezvous;
  site.relay = settings.relay;
  site.stun = settings.stun;
  site.site_name = settings.site;
  site.rendezvous_limits.clients_max = settings.clients_max;
  site.rendezvous_limits.requests_per_second = settings.signals_per_second;
  site.lobby_limits.lobbies_max = settings.lobbies_max;
  site.lobby_limits.grace = seconds(settings.lobby_grace_seconds);
  site.rendezvous_limits.answer_time = seconds(settings.lobby_answer_seconds);
  site.relay_config.limits.slots_max = settings.slots_max;
  site.relay_config.limits.bytes_per_second = settings.slot_bytes_per_second;
  site.relay_config.limits.packets_per_second = settings.slot_packets_per_second;
  site.relay_config.limits.opens_per_second_max = settings.opens_per_second;
  site.relay_addresses = names.add(settings.site, "relay.address", settings.relay_addresses);
  for (const SiteSettings& other : settings.sites) {
    const std::string where = fmt::format("site \"{}\"", other.name);
    const std::string path = file_of(where, other.key_file);
    const auto key = read_secret_key(path);
    if (!key) {
      // A new key would be of no use: the relay has one, which it made at its first start.
      std::error_code unknown;
      const bool missing = !std::filesystem::exists(path, unknown) && !unknown;
      throw std::runtime_error(
          fmt::format("{}: {}. It is to be a copy of site.key, from the state folder of that relay "
                      "on its own machine",
                      where, missing ? path + " is missing" : key.error()));
    }
    site.other_sites.push_back(
        {other.name, names.add(other.name, where + ": address", other.addresses), *key});
  }
  return config;
}

}  // namespace

Plan::Plan(const Settings& settings, RelayNames& names) {
  if (!settings.admin_listen.empty()) admin_address(settings.admin_listen);
  loop = loop_config(settings, names);
  for (std::size_t i = 0; i < settings.sites.size(); ++i)
    sites.push_back(
        {loop.site.other_sites[i], file_of("sites.key_file", settings.sites[i].key_file)});
  const auto key = read_backend_key(settings);
  login = authority_config(settings, key);
  proof = proof_of(settings.login, key);
}

namespace {

// What would keep it from serving, before anything is made.
void check_plan(const Plan& plan, const Settings& settings, Missing missing) {
  const bool in_use = check_state(settings.state_folder, missing);
  // Where that is this very server, the ports are its own. One without a folder cannot be told from
  // others.
  const bool any_port = in_use || settings.state_folder.empty();
  const std::string fault = ServerLoop::listen_fault(plan.loop, any_port);
  if (!fault.empty()) throw std::runtime_error(fault);
  check_admin_port(settings.admin_listen, any_port);
}

}  // namespace

void check_service(const Settings& settings, Missing missing) {
  RelayNames names(warn);
  check_plan(Plan(settings, names), settings, missing);
}

Service::Service(const Settings& settings, Missing missing)
    : settings_(settings), relay_names_(std::make_unique<RelayNames>(warn)) {
  Plan plan(settings, *relay_names_);
  check_plan(plan, settings, missing);
  state_ = open_state(settings.state_folder, missing, warn);
  if (state_.database != nullptr)
    checkpoints_ = std::make_unique<SqliteCheckpoints>(settings.state_folder + "/names.sqlite");
  plan.login.logins_since = logins_since(plan.proof);
  authority_ = std::make_unique<rendezvous::Authority>(std::move(plan.login), state_.authority,
                                                       *state_.registry);
  plan.loop.site.keys = state_.server;
  plan.loop.site_master = state_.site_master;
  plan.loop.authority = authority_.get();
  plan.loop.site.clients = open_clients(settings);
  auto loop = ServerLoop::open(plan.loop);
  if (!loop) throw std::runtime_error(loop.error());
  loop_ = std::move(*loop);
  if (!loop_->warning().empty()) warn(loop_->warning());
  loop_->with_every_site([&](Site& site, Instant) { site.record(recorded(settings)); });
  site_check_ = std::make_unique<SiteCheck>(std::move(plan.sites), warn);
  if (clients_ && clients_->last_count() > 0)
    spdlog::info("clients of the life before, who are called back: {}", clients_->last_count());
  thread_ = std::thread([this] { loop_->run(); });
}

Service::~Service() {
  if (!thread_.joinable()) return;
  loop_->stop();
  thread_.join();
  if (clients_) clients_->touch();
}

// In the serving thread, while there is one: the database is its own.
std::int64_t Service::logins_since(const std::string& proof) {
  if (state_.database == nullptr) return 0;
  const std::int64_t now = unix_now() / 1000;
  // What cannot be found out now is as if it had changed: tokens count all the same.
  return state_.database->logins_since(proof, now).value_or(now);
}

void Service::reload(const Settings& settings) {
  Settings fresh = settings_;
  take_reloadable(settings, fresh);
  // Part of them is what it was, and must fit to the rest.
  check_settings(fresh);
  auto names = std::make_unique<RelayNames>(warn);
  names->remember(*relay_names_);
  Plan plan(fresh, *names);
  loop_->with_site([&](Site&, Instant) {
    plan.login.logins_since = logins_since(plan.proof);
    authority_->set_config(std::move(plan.login));
  });
  loop_->with_every_site([&](Site& site, Instant now) {
    site.reconfigure(plan.loop.site, now);
    site.record(recorded(fresh));
  });
  relay_names_ = std::move(names);
  site_check_ = std::make_unique<SiteCheck>(std::move(plan.sites), warn);
  settings_ = fresh;
}

void Service::log_events() {
  std::vector<SiteEvents> events;
  loop_->with_every_site([&](Site& site, Instant) { events.push_back(site.take_events()); });
  const bool debug = recorded(settings_) == Recorded::kAll;
  for (const EventLog::Line& line : event_log_.look(events, debug, EventLog::Clock::now()))
    spdlog::log(line.debug ? spdlog::level::debug : spdlog::level::info, "{}", line.text);
}

// The clients of the last life, who are told that there is a new one. Without it they notice by
// themselves, later.
ClientBook* Service::open_clients(const Settings& settings) {
  if (settings.state_folder.empty() || !settings.rendezvous) return nullptr;
  auto file = ClientFile::open(settings.state_folder + "/clients");
  give_to_owner_of(settings.state_folder);
  if (!file) {
    spdlog::warn("{}. After a restart the clients come back some seconds later", file.error());
    return nullptr;
  }
  clients_ = std::move(*file);
  return clients_.get();
}

void Service::tick() {
  constexpr std::chrono::seconds kInterval{5};
  log_events();
  const auto now = std::chrono::steady_clock::now();
  site_check_->tick(now);
  if (now < next_look_) return;
  next_look_ = now + kInterval;
  if (checkpoints_) checkpoints_->run();
  if (clients_) clients_->touch();
  for (const std::string& line :
       limit_warnings_.look(limit_counts(*loop_), LimitWarnings::Clock::now()))
    warn(line);
  relay_names_->tick(RelayNames::Clock::now(), [this](const std::string& name, const auto& found) {
    loop_->with_site([&](Site& site, Instant) { site.set_site_addresses(name, found); });
    site_check_->set_addresses(name, found);
    spdlog::info("site \"{}\" is at {} now", name, found.front().text());
  });
}

std::uint64_t Service::unavailable_count() {
  std::uint64_t count = 0;
  loop_->with_site([&](Site&, Instant) {
    if (state_.database != nullptr) count = state_.database->unavailable_count();
  });
  return count;
}

bool Service::deserted() {
  bool nobody = true;
  loop_->with_every_site([&](Site& site, Instant) {
    if (site.control() != nullptr && site.control()->server().client_count() > 0) nobody = false;
    if (site.relay() != nullptr && site.relay()->slot_count() > 0) nobody = false;
  });
  return nobody;
}

void Service::drain(std::chrono::seconds time) {
  draining_ = true;
  loop_->with_every_site([time](Site& site, Instant now) { site.drain(time, now); });
}

std::string Service::public_key_hex() const { return to_hex(state_.server.public_key.view()); }
std::string Service::authority_hex() const { return to_hex(authority_->public_key().view()); }

std::string Service::listening() const {
  std::string text;
  for (const bool v4 : {true, false}) {
    if (const std::uint16_t port = loop_->port(v4); port != 0) {
      text += fmt::format("{}UDP port {} ({})", text.empty() ? "" : " and ", port,
                          v4 ? "IPv4" : "IPv6");
    }
  }
  if (loop_->threads() > 1) text += fmt::format(", relay of {} threads", loop_->threads());
  return text;
}
