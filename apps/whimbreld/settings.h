// What an operator can say to whimbreld: in a TOML file, and by flags, which win. Every key has a
// default; a server that was told nothing plays all parts on one port.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

// The sentence says file, line, what was found and what was expected.
struct SettingsError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class LoginMode { kOpen, kToken, kNumeric };

// [[sites]]: a relay on another machine, which clients are told of as well.
struct SiteSettings {
  std::string name;                    // its own relay.site
  std::vector<std::string> addresses;  // where clients reach it: HOST:PORT or IP:PORT, 4 at most
  std::string key_file;                // a copy of its site.key
};

struct Settings {
  // [server]
  std::vector<std::string> listen = {"0.0.0.0:4040",
                                     "[::]:4040"};  // UDP, at most one of each family
  std::string state_folder =
      "whimbreld-state";  // keys and the database; made if missing; "" keeps everything in memory
  std::string log_level = "info";    // debug, info, warning or error
  std::string log_format = "text";   // or json
  std::uint32_t drain_seconds = 10;  // between SIGTERM and the end, 0 to 600

  // [login]
  LoginMode login = LoginMode::kOpen;
  std::string token_algorithm;  // of mode token: EdDSA or HS256
  std::string token_key_file;   // its public key (a file as of `whimbrel cert`) or shared secret
  std::uint32_t certificate_hours = 24;  // 1 to 720
  std::uint32_t renew_hours = 168;       // of mode token: without a new one, 1 to 8760
  std::uint32_t app_id = 0;              // the one application served; 0: any
  // Of mode open: names that nobody had before.
  std::uint32_t names_of_key = 8;             // that one key may have
  std::uint32_t new_names_per_minute = 1200;  // of all
  std::uint32_t new_names_of_network = 120;   // a minute, from one /24 or /48

  // [rendezvous]
  bool rendezvous = true;
  std::uint32_t clients_max = 100'000;
  std::uint32_t signals_per_second = 200;  // of one client
  std::uint32_t lobbies_max = 10'000;      // 0: none
  std::uint32_t lobby_grace_seconds = 10;  // that an absent member keeps its place
  std::uint32_t lobby_answer_seconds = 5;  // for a member whom others report

  // [relay]
  bool relay = true;
  // Told to clients, as those of [[sites]]; none: where they reached this server.
  std::vector<std::string> relay_addresses;
  std::string site = "home";  // 1 to 16 bytes; each relay of a network has another
  std::uint32_t slots_max = 100'000;
  std::uint32_t slot_bytes_per_second = 64 << 20;
  std::uint32_t slot_packets_per_second = 100'000;
  std::uint32_t opens_per_second = 5'000;
  std::uint32_t relay_threads = 1;  // 0: one for each core, 8 at most

  std::vector<SiteSettings> sites;  // [[sites]], at most 15

  // [stun]
  bool stun = true;

  // [admin]
  std::string admin_listen = "127.0.0.1:4041";  // HTTP: /metrics and /healthz; empty: none
};

// Reads `path` over `settings`. Throws SettingsError.
void read_settings(const std::string& path, Settings& settings);
// The same for a text, which messages call `name`.
void parse_settings(const std::string& text, const std::string& name, Settings& settings);
// What no single key can be blamed for. Throws SettingsError.
void check_settings(const Settings& settings);
// Keys whose values differ, as "table.key"; "sites" for the list of them.
std::vector<std::string> changed_settings(const Settings& before, const Settings& after);
// Takes over what a server can change while it serves.
void take_reloadable(const Settings& from, Settings& to);
// What a flag of the command line says for one key; the file's checks hold for it, too. A list has
// several values. Throws SettingsError.
void set_by_flag(Settings& settings, const std::string& flag, const std::string& table,
                 const std::string& name, const std::vector<std::string>& values);
// All keys with their values, as a file that read_settings() takes: with a comment on each.
std::string settings_text(const Settings& settings);
