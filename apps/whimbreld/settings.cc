#include "settings.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <toml++/toml.h>
#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <map>
#include <set>

#include "io/small_file.h"
#include "rendezvous/messages.h"
#include "text.h"

namespace {

constexpr std::uint32_t kMax = std::numeric_limits<std::uint32_t>::max();

// Longer ones are no names, addresses or paths.
constexpr std::size_t kTextMax = 4096;

[[noreturn]] void fail(const std::string& name, const toml::source_region& where,
                       std::string_view what) {
  throw SettingsError(on_one_line(fmt::format("{}:{}: {}", name, where.begin.line, what)));
}

std::string quoted(std::string_view text);

std::string shortened(const std::string& text) {
  constexpr std::size_t kShown = 60;
  if (text.size() <= kShown) return quoted(text);
  // Not in the middle of a character.
  std::size_t end = kShown;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return fmt::format("{}... ({} bytes)", quoted(text.substr(0, end)), text.size());
}

// What stands there, for "..., not this".
std::string describe(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::string:
      return shortened(node.as_string()->get());
    case toml::node_type::integer:
      return fmt::format("{}", node.as_integer()->get());
    case toml::node_type::floating_point:
      return fmt::format("{}", node.as_floating_point()->get());
    case toml::node_type::boolean:
      return node.as_boolean()->get() ? "true" : "false";
    case toml::node_type::array:
      return "this list";
    case toml::node_type::table:
      return "a table";
    default:
      return "a date or time";
  }
}

// How one key is read and shown.
struct Key {
  // Empty, or what was expected.
  std::function<std::string(const toml::node&)> read;
  std::function<std::string()> show;
  std::string values;      // which it may have, for a comment
  const char* about = "";  // what it is, with its unit
};

Key flag(bool& value) {
  constexpr const char* kExpected = "true or false";
  return {[&value](const toml::node& node) -> std::string {
            if (!node.is_boolean()) return kExpected;
            value = node.as_boolean()->get();
            return "";
          },
          [&value] { return value ? "true" : "false"; }, kExpected};
}

Key number(std::uint32_t& value, std::uint32_t least, std::uint32_t most) {
  const std::string expected = fmt::format("a whole number from {} to {}", least, most);
  return {[&value, least, most, expected](const toml::node& node) -> std::string {
            const auto* found = node.as_integer();
            if (found == nullptr || found->get() < least || found->get() > most)
              return std::string(expected);
            value = static_cast<std::uint32_t>(found->get());
            return "";
          },
          [&value] { return fmt::format("{}", value); }, expected};
}

// TOML 1.0, Basic strings.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04x}", byte);
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

// Empty, or what is wrong with such a text.
std::string text_fault(const std::string& text) {
  if (text.size() > kTextMax) return fmt::format("a text of {} bytes at most", kTextMax);
  return is_plain_text(text) ? "" : "a text (UTF-8) without control characters";
}

Key text(std::string& value, const std::vector<std::string>& choices = {}) {
  const std::string expected = choices.empty()
                                   ? "a text in quotes"
                                   : fmt::format("one of \"{}\"", fmt::join(choices, "\", \""));
  return {[&value, choices, expected](const toml::node& node) -> std::string {
            const auto* found = node.as_string();
            const bool known =
                found != nullptr && (choices.empty() || std::find(choices.begin(), choices.end(),
                                                                  found->get()) != choices.end());
            if (!known) return std::string(expected);
            value = found->get();
            return text_fault(value);
          },
          [&value] { return quoted(value); }, expected};
}

Key texts(std::vector<std::string>& value) {
  constexpr const char* kExpected = "a list of texts in quotes";
  return {[&value](const toml::node& node) -> std::string {
            const auto* found = node.as_array();
            if (found == nullptr) return kExpected;
            std::vector<std::string> read;
            for (const auto& item : *found) {
              if (!item.is_string()) return kExpected;
              read.push_back(item.as_string()->get());
              const std::string fault = text_fault(read.back());
              if (!fault.empty()) return "a list, each of it " + fault;
            }
            value = std::move(read);
            return "";
          },
          [&value] {
            std::vector<std::string> all;
            all.reserve(value.size());
            for (const std::string& one : value) all.push_back(quoted(one));
            return fmt::format("[{}]", fmt::join(all, ", "));
          },
          kExpected};
}

// One text, or a list of some; "" is none.
Key one_or_more(std::vector<std::string>& value) {
  constexpr const char* kExpected = "a text in quotes, or a list of such";
  const Key list = texts(value);
  return {[&value, list](const toml::node& node) -> std::string {
            if (const auto* one = node.as_string()) {
              value.clear();
              if (!one->get().empty()) value.push_back(one->get());
              return text_fault(one->get());
            }
            if (!node.is_array()) return kExpected;
            const std::string fault = list.read(node);
            return fault == list.values ? kExpected : fault;
          },
          [&value, list] {
            if (value.empty()) return quoted("");
            return value.size() == 1 ? quoted(value[0]) : list.show();
          },
          kExpected};
}

// "" and "none" are none.
Key text_or_none(std::string& value) {
  constexpr const char* kExpected = "a text in quotes, or \"none\"";
  return {[&value](const toml::node& node) -> std::string {
            const auto* found = node.as_string();
            if (found == nullptr) return kExpected;
            value = found->get() == "none" ? "" : found->get();
            return text_fault(value);
          },
          [&value] { return quoted(value.empty() ? "none" : value); }, kExpected};
}

Key with(const char* about, Key key) {
  key.about = about;
  return key;
}

constexpr std::array<std::pair<LoginMode, const char*>, 3> kModes = {
    {{LoginMode::kOpen, "open"}, {LoginMode::kToken, "token"}, {LoginMode::kNumeric, "numeric"}}};

Key mode(LoginMode& value) {
  constexpr const char* kExpected = R"("open", "token" or "numeric")";
  return {[&value](const toml::node& node) -> std::string {
            for (const auto& [each, name] : kModes) {
              if (!node.is_string() || node.as_string()->get() != name) continue;
              value = each;
              return "";
            }
            return kExpected;
          },
          [&value] {
            for (const auto& [each, name] : kModes) {
              if (each == value) return quoted(name);
            }
            return std::string();
          },
          kExpected};
}

using Keys = std::vector<std::pair<std::string, Key>>;
using Tables = std::vector<std::pair<std::string, Keys>>;

// The grammar of the file: every table and key, in the order they are shown.
Keys relay_keys(Settings& s) {
  return {{"enabled", with("packets of users are carried here", flag(s.relay))},
          {"address", with("where users reach this relay, HOST:PORT or IP:PORT, 4 at most; \"\": "
                           "where they reached the server",
                           one_or_more(s.relay_addresses))},
          {"site",
           with("name of this relay, 1 to 16 letters; each relay has another one", text(s.site))},
          {"slots_max",
           with("slots at a time; each user has one or two", number(s.slots_max, 1, 1 << 20))},
          {"slot_bytes_per_second",
           with("bytes a second of one slot", number(s.slot_bytes_per_second, 1000, kMax))},
          {"slot_packets_per_second",
           with("packets a second of one slot", number(s.slot_packets_per_second, 10, kMax))},
          {"opens_per_second",
           with("slots that are opened a second", number(s.opens_per_second, 1, 1'000'000))},
          {"threads",
           with("threads that forward; 0: one for each core", number(s.relay_threads, 0, 8))}};
}

Tables tables_of(Settings& s) {
  return {
      {"server",
       {{"listen",
         with("UDP addresses, IP:PORT or [V6]:PORT, at most one of each family", texts(s.listen))},
        {"state_folder",
         with("folder of keys and names, made if missing; \"\" keeps them in memory",
              text(s.state_folder))},
        {"log_level", with("the least level of what is logged",
                           text(s.log_level, {"debug", "info", "warning", "error"}))},
        {"log_format",
         with("how the lines of the log are written", text(s.log_format, {"text", "json"}))},
        {"drain_seconds",
         with("seconds between SIGTERM and the end", number(s.drain_seconds, 0, 600))}}},
      {"login",
       {{"mode",
         with("who decides a user's name: the first key that claims it, your backend, or the "
              "server, which gives numbers",
              mode(s.login))},
        {"token_algorithm", with("of mode \"token\": how your backend signs",
                                 text(s.token_algorithm, {"", "EdDSA", "HS256"}))},
        {"token_key_file", with("of mode \"token\": file with its public key or the shared secret",
                                text(s.token_key_file))},
        {"certificate_hours",
         with("hours that a certificate is valid", number(s.certificate_hours, 1, 720))},
        {"renew_hours",
         with("of mode \"token\": hours until a user who stays online needs a new token",
              number(s.renew_hours, 1, 8760))},
        {"app_id",
         with("number of the one application that is served; 0 is any", number(s.app_id, 0, kMax))},
        {"names_of_key",
         with("of mode \"open\": names that one key may have", number(s.names_of_key, 1, kMax))},
        {"new_names_per_minute", with("new names a minute, of all users together",
                                      number(s.new_names_per_minute, 1, kMax))},
        {"new_names_of_network", with("new names a minute from one network, a /24 or a /48",
                                      number(s.new_names_of_network, 1, kMax))}}},
      {"rendezvous",
       {{"enabled", with("users are found here", flag(s.rendezvous))},
        {"clients_max",
         with("users who are logged in at a time", number(s.clients_max, 1, 1'000'000))},
        {"signals_per_second", with("messages a second of one user to the server",
                                    number(s.signals_per_second, 1, 100'000))},
        {"lobbies_max",
         with("lobbies at a time; 0: there are none", number(s.lobbies_max, 0, 1'000'000))},
        {"lobby_grace_seconds",
         with("seconds that a member whose connection broke keeps their place in a lobby",
              number(s.lobby_grace_seconds, 1, 600))},
        {"lobby_answer_seconds",
         with("seconds to answer for a member whom others report as silent; then another member "
              "owns their lobbies",
              number(s.lobby_answer_seconds, 1, 60))}}},
      {"relay", relay_keys(s)},
      {"stun", {{"enabled", with("users are told their address as seen from here", flag(s.stun))}}},
      {"admin",
       {{"listen",
         with("TCP address of /metrics and /healthz, IP:PORT", text_or_none(s.admin_listen))}}},
  };
}

Keys keys_of(SiteSettings& site) {
  return {{"name", with("its own relay.site, 1 to 16 letters", text(site.name))},
          {"address", with("where users reach it, HOST:PORT or IP:PORT, 4 at most",
                           one_or_more(site.addresses))},
          {"key_file", with("a copy of its site.key", text(site.key_file))}};
}

// The names of a list, for "there is no ...".
template <typename Named>
std::string names_of(const Named& all) {
  std::vector<std::string> names;
  names.reserve(all.size());
  for (const auto& [name, value] : all) names.push_back(name);
  return fmt::format("{}", fmt::join(names, ", "));
}

template <typename Named>
auto find_named(Named& all, std::string_view wanted) {
  return std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.first == wanted; });
}

// Reads one table of the file. `where` is how it is called in messages.
template <typename Keys>
void read_table(const toml::table& table, const std::string& where, const Keys& keys,
                const std::string& name) {
  for (const auto& [key_name, node] : table) {
    const auto key = find_named(keys, key_name.str());
    if (key == keys.end()) {
      fail(name, key_name.source(),
           fmt::format("[{}] has no \"{}\": it has {}", where, key_name.str(), names_of(keys)));
    }
    const std::string expected = key->second.read(node);
    if (!expected.empty()) {
      fail(name, node.source(),
           fmt::format("{}.{} is {}, not {}", where, key_name.str(), expected, describe(node)));
    }
  }
}

std::vector<SiteSettings> read_sites(const toml::key& at, const toml::node& node,
                                     const std::string& name) {
  const auto* list = node.as_array();
  if (list == nullptr || !list->is_array_of_tables())
    fail(name, at.source(), "sites are tables of a list: write [[sites]] above each");
  std::vector<SiteSettings> sites;
  for (const auto& item : *list) {
    read_table(*item.as_table(), "[sites]", keys_of(sites.emplace_back()), name);
  }
  return sites;
}

}  // namespace

void parse_settings(const std::string& text, const std::string& name, Settings& settings) {
  toml::table file;
  try {
    file = toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    fail(name, error.source(), error.description());
  }
  // Nothing is changed unless everything is right.
  Settings read = settings;
  const Tables tables = tables_of(read);
  for (const auto& [table_name, table_node] : file) {
    if (table_name.str() == "sites") {
      read.sites = read_sites(table_name, table_node, name);
      continue;
    }
    const auto table = find_named(tables, table_name.str());
    if (table == tables.end()) {
      fail(name, table_name.source(),
           fmt::format("there is no [{}]: there are {}, [sites]", table_name.str(),
                       names_of(tables)));
    }
    const auto* keys = table_node.as_table();
    if (keys == nullptr)
      fail(name, table_name.source(), fmt::format("{0} is a table: write [{0}]", table_name.str()));
    read_table(*keys, std::string(table_name.str()), table->second, name);
  }
  settings = read;
}

void read_settings(const std::string& path, Settings& settings) {
  constexpr std::size_t kSizeMax = 1 << 20;
  constexpr const char* kWanted = "a file of settings, as \"whimbreld --print-config\" prints one";
  const whimbrel::SmallFile file = whimbrel::read_small_file(path, kSizeMax);
  if (!file.fault.empty())
    throw SettingsError(fmt::format("--config: {}; wanted is {}", file.fault, kWanted));
  // Said here: what a parser says of a key may have a part of it.
  const std::string kind = whimbrel::kind_of_content(file.content);
  if (!kind.empty() && kind != "empty")
    throw SettingsError(fmt::format("--config: '{}' is not {}: it is {}", path, kWanted, kind));
  parse_settings(file.content, path, settings);
}

namespace {

void check_sites(const Settings& settings) {
  constexpr std::size_t kSitesMax = whimbrel::rendezvous::kRelaySitesMax - 1;
  constexpr std::size_t kNameMax = whimbrel::rendezvous::kSiteNameMax;
  if (settings.site.empty() || settings.site.size() > kNameMax)
    throw SettingsError("relay.site is a name of 1 to 16 letters");
  if (settings.sites.size() > kSitesMax)
    throw SettingsError(fmt::format("{} [[sites]] are too many: at most {} besides this one",
                                    settings.sites.size(), kSitesMax));
  const auto check_count = [](const std::string& where, const std::vector<std::string>& all) {
    constexpr std::size_t kAddressesMax = whimbrel::rendezvous::kSiteAddressesMax;
    if (all.size() > kAddressesMax)
      throw SettingsError(fmt::format("{}: {} addresses are too many: a relay has at most {}",
                                      where, all.size(), kAddressesMax));
  };
  check_count("relay.address", settings.relay_addresses);
  std::set<std::string> names;
  if (settings.relay) names.insert(settings.site);
  for (const SiteSettings& site : settings.sites) {
    if (site.name.empty() || site.name.size() > kNameMax)
      throw SettingsError("each of [[sites]] needs a name of 1 to 16 letters");
    if (!names.insert(site.name).second) {
      throw SettingsError(fmt::format(
          "two sites are named \"{}\": each relay has a name of its own (relay.site)", site.name));
    }
    if (site.addresses.empty() || site.key_file.empty())
      throw SettingsError(
          fmt::format("site \"{}\" needs address (HOST:PORT) and key_file (a copy of its site.key)",
                      site.name));
  }
  for (const SiteSettings& site : settings.sites)
    check_count(fmt::format("site \"{}\"", site.name), site.addresses);
  if (!settings.sites.empty() && !settings.rendezvous)
    throw SettingsError("[[sites]] are told by the rendezvous, which is off");
}

}  // namespace

void check_settings(const Settings& settings) {
  if (settings.listen.empty())
    throw SettingsError("server.listen names no address: write [\"0.0.0.0:4040\"]");
  if (settings.login == LoginMode::kToken &&
      (settings.token_algorithm.empty() || settings.token_key_file.empty())) {
    throw SettingsError(
        "login.mode \"token\" needs token_algorithm (\"EdDSA\" or \"HS256\") and token_key_file");
  }
  if (!settings.rendezvous && !settings.relay && !settings.stun) {
    throw SettingsError("rendezvous, relay and stun are all off: there is nothing to do");
  }
  check_sites(settings);
}

namespace {

// "# What it is. Which values; the default."
std::string comment_of(const Key& key, const std::string& usual) {
  std::string values = key.values;
  return fmt::format("# {}: {}{}\n", key.about, values,
                     usual.empty() ? "" : fmt::format("; {} unless told otherwise", usual));
}

}  // namespace

std::string settings_text(const Settings& settings) {
  Settings copy = settings, usual;
  const Tables tables = tables_of(copy), defaults = tables_of(usual);
  std::string out;
  for (std::size_t i = 0; i < tables.size(); ++i) {
    const auto& [table, keys] = tables[i];
    out += fmt::format("{}[{}]\n", out.empty() ? "" : "\n", table);
    for (std::size_t j = 0; j < keys.size(); ++j) {
      const auto& [name, key] = keys[j];
      out += comment_of(key, defaults[i].second[j].second.show());
      out += fmt::format("{} = {}\n", name, key.show());
    }
  }
  out += "\n# Relays on other machines, at most 15: a table [[sites]] for each.\n";
  for (SiteSettings& site : copy.sites) {
    out += "[[sites]]\n";
    for (const auto& [name, key] : keys_of(site))
      out += comment_of(key, "") + fmt::format("{} = {}\n", name, key.show());
  }
  return out;
}

void set_by_flag(Settings& settings, const std::string& flag, const std::string& table,
                 const std::string& name, const std::vector<std::string>& values) {
  const Tables tables = tables_of(settings);
  const Key& key = find_named(find_named(tables, table)->second, name)->second;
  std::string expected;
  if (key.show().starts_with('[')) {
    toml::array list;
    for (const std::string& one : values) list.push_back(one);
    expected = key.read(list);
  } else {
    expected = key.read(toml::value<std::string>(values.front()));
  }
  if (expected.empty()) return;
  throw SettingsError(
      fmt::format("{}: {}.{} is {}, not {}", flag, table, name, expected,
                  is_utf8(values.front()) ? shortened(values.front()) : "these bytes"));
}

std::vector<std::string> changed_settings(const Settings& before, const Settings& after) {
  Settings old = before, fresh = after;
  const Tables was = tables_of(old), is = tables_of(fresh);
  std::vector<std::string> changed;
  for (std::size_t i = 0; i < was.size(); ++i) {
    for (std::size_t j = 0; j < was[i].second.size(); ++j) {
      const auto& [name, key] = was[i].second[j];
      if (key.show() != is[i].second[j].second.show())
        changed.push_back(fmt::format("{}.{}", was[i].first, name));
    }
  }
  const auto shown = [](std::vector<SiteSettings>& sites) {
    std::string text;
    for (SiteSettings& site : sites) {
      for (const auto& [name, key] : keys_of(site)) text += key.show() + "\n";
    }
    return text;
  };
  if (shown(old.sites) != shown(fresh.sites)) changed.emplace_back("sites");
  return changed;
}

void take_reloadable(const Settings& from, Settings& to) {
  to.log_level = from.log_level;
  to.drain_seconds = from.drain_seconds;
  to.token_algorithm = from.token_algorithm;
  to.token_key_file = from.token_key_file;
  to.certificate_hours = from.certificate_hours;
  to.renew_hours = from.renew_hours;
  to.names_of_key = from.names_of_key;
  to.new_names_per_minute = from.new_names_per_minute;
  to.new_names_of_network = from.new_names_of_network;
  to.clients_max = from.clients_max;
  to.signals_per_second = from.signals_per_second;
  // Without lobbies at the start there is nobody to keep them.
  if (from.lobbies_max != 0 && to.lobbies_max != 0) to.lobbies_max = from.lobbies_max;
  to.lobby_grace_seconds = from.lobby_grace_seconds;
  to.lobby_answer_seconds = from.lobby_answer_seconds;
  to.relay_addresses = from.relay_addresses;
  to.slots_max = from.slots_max;
  to.slot_bytes_per_second = from.slot_bytes_per_second;
  to.slot_packets_per_second = from.slot_packets_per_second;
  to.opens_per_second = from.opens_per_second;
  to.sites = from.sites;
}
