#include "tests/conformance/wire_vectors/scene.h"

#include <whimbrel/send_flags.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "crypto/hash.h"
#include "tests/conformance/wire_vectors/relays.h"

namespace whimbrel::vectors {

namespace {

constexpr Duration kPatience = seconds(20);
constexpr std::size_t kUnreliableMax = 16 * (kDatagramSizeMin - kDataOverheadMax);

std::string hex(Bytes bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string quoted(std::string_view text) { return '"' + std::string(text) + '"'; }

std::string truth(bool value) { return value ? "true" : "false"; }

template <typename Pair>
std::string pair_json(const Pair& pair) {
  return "[" + std::to_string(pair[0]) + ", " + std::to_string(pair[1]) + "]";
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return "[" + text + "]";
}

// "0 InitIK, 1 RespIK" as a list.
std::string list_json(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(", "), text.size());
    parts.push_back(quoted(text.substr(0, end)));
    text.remove_prefix(std::min(end + 2, text.size()));
  }
  return joined(parts);
}

std::string kind_of(std::size_t size, int flags) {
  if ((flags & kSendReliable) != 0) return "reliable";
  return size <= kUnreliableMax ? "unreliable" : "unordered";
}

[[noreturn]] void give_up(const std::string& name, const char* what) {
  std::fprintf(stderr, "%s: %s\n", name.c_str(), what);
  std::exit(1);
}

}  // namespace

void Recording::on_sent(const sim::PacketView& packet) {
  const Remote target = remote_behind(packet.to);
  const Remote source = source_of(target, packet.sender, packet.from);
  datagrams_.resize(packet.number + 1);
  datagrams_.back() = {packet.sender,
                       place_text(source),
                       place_text(target),
                       false,
                       {packet.bytes.begin(), packet.bytes.end()}};
}

void Recording::on_delivered(const sim::PacketView& packet) {
  datagrams_[packet.number].delivered = true;
}

std::size_t Recording::key_phase_changes(std::size_t end) const {
  constexpr unsigned kKeyPhase = 0x10;
  unsigned phase = 0;
  std::size_t changes = 0;
  for (const Datagram& datagram : datagrams_) {
    if (datagram.from != end || packet_kind(datagram.bytes[0]) != PacketKind::kData) continue;
    if ((datagram.bytes[0] & kKeyPhase) == phase) continue;
    phase ^= kKeyPhase;
    ++changes;
  }
  return changes;
}

Scene::Scene(std::string name, std::unique_ptr<Peer> a, std::unique_ptr<Peer> b)
    : name_(std::move(name)), peers_{std::move(a), std::move(b)} {
  simulation_.observe(recording_);
  for (std::size_t end = 0; end < peers_.size(); ++end) {
    const sim::NodeId id = simulation_.attach(*peers_[end], address(end));
    simulation_.set_line(id, {.delay = kOneWay});
  }
}

IpAddress Scene::address(std::size_t end) {
  return IpAddress::v4(10, 0, 0, static_cast<std::uint8_t>(end + 1), 4000);
}

void Scene::say(std::size_t end, std::size_t size, int flags, ChannelId channel) {
  Message message{kind_of(size, flags), channel, std::vector<std::uint8_t>(size)};
  for (std::size_t i = 0; i < size; ++i) {
    message.bytes[i] = static_cast<std::uint8_t>(i * 7 + said_[end].size());
  }
  if (peers_[end]->send(message.bytes, flags, channel, now()) != Result::kOk) {
    give_up(name_, "a message was not taken");
  }
  said_[end].push_back(std::move(message));
  simulation_.touch(static_cast<sim::NodeId>(end));
}

void Scene::close(std::size_t end, int reason, std::string text) {
  peers_[end]->close(reason, text, now());
  simulation_.touch(static_cast<sim::NodeId>(end));
  claim_close(end, reason, std::move(text));
}

void Scene::claim_close(std::size_t end, int reason, std::string text) {
  closes_.push_back({end, reason, std::move(text)});
}

void Scene::lose_one(std::size_t end, std::size_t size_min) {
  simulation_.set_filter([end, size_min, done = false](const sim::PacketView& packet) mutable {
    if (done || packet.sender != end || packet.bytes.size() < size_min) return sim::Fate{};
    done = true;
    return sim::Fate{.copies = 0};
  });
}

void Scene::run_until_arrived() {
  const auto arrived = [this] {
    return peers_[1]->messages_received() == said_[0].size() &&
           peers_[0]->messages_received() == said_[1].size();
  };
  if (!simulation_.run_until(arrived, kPatience)) give_up(name_, "not all messages have arrived");
}

void Scene::run_until_over() {
  const auto over = [this] { return peers_[0]->over(now()) && peers_[1]->over(now()); };
  if (!simulation_.run_until(over, kPatience)) give_up(name_, "the session does not end");
  run_for(seconds(2));  // what a closing side still has to say
}

// --- JSON ----------------------------------------------------------------------------------------

bool Scene::is_on_the_wire(const PublicKey& key) const {
  const auto& all = recording_.datagrams();
  return std::any_of(all.begin(), all.end(), [&](const Recording::Datagram& datagram) {
    const auto& bytes = datagram.bytes;
    return std::search(bytes.begin(), bytes.end(), key.bytes.begin(), key.bytes.end()) !=
           bytes.end();
  });
}

std::vector<SecretKey> Scene::ephemeral_keys(std::size_t end) const {
  std::vector<SecretKey> keys = peers_[end]->random().drawn();
  std::erase_if(keys, [&](const SecretKey& key) { return !is_on_the_wire(x25519_public(key)); });
  return keys;
}

void Scene::write_end(std::size_t end, std::string& out) const {
  std::vector<std::string> keys;
  for (const SecretKey& key : ephemeral_keys(end)) keys.push_back(quoted(hex(key.view())));
  out += "{\"static_private\": " + quoted(hex(peers_[end]->keys().secret.view())) +
         ",\n \"ephemeral_private\": " + joined(keys) + "}";
}

void Scene::write_datagrams(std::string& out) const {
  const char* separator = "";
  for (const Recording::Datagram& datagram : recording_.datagrams()) {
    if (datagram.bytes.empty()) continue;  // one that the scene injected and nobody sent
    out += separator;
    out += "{\"from\": " + std::to_string(datagram.from) +
           ", \"source\": " + quoted(datagram.source) + ", \"target\": " + quoted(datagram.target) +
           ", \"delivered\": " + truth(datagram.delivered) +
           ",\n \"bytes\": " + quoted(hex(datagram.bytes)) + "}";
    separator = ",\n";
  }
}

std::string Scene::messages_json(std::size_t end) const {
  std::vector<Message> messages = said_[end];
  std::stable_sort(messages.begin(), messages.end(), [](const Message& a, const Message& b) {
    return std::tie(a.kind, a.channel) < std::tie(b.kind, b.channel);
  });
  std::vector<std::string> parts;
  for (const Message& message : messages) {
    parts.push_back("\n  [" + quoted(message.kind) + ", " + std::to_string(message.channel) + ", " +
                    std::to_string(message.bytes.size()) + ", " +
                    quoted(hex(sha256({Bytes(message.bytes)}))) + "]");
  }
  return joined(parts);
}

std::string Scene::closes_json() const {
  std::vector<std::string> parts;
  for (const Close& close : closes_) {
    parts.push_back("[" + std::to_string(close.end) + ", " + std::to_string(close.reason) + ", " +
                    quoted(close.text) + "]");
  }
  return joined(parts);
}

void Scene::write_expectations(const Claims& claims, std::string& out) const {
  const std::array<std::size_t, 2> updates{recording_.key_phase_changes(0),
                                           recording_.key_phase_changes(1)};
  std::vector<std::string> names, certified;
  for (const auto& peer : peers_) {
    names.push_back(quoted(peer->options().name));
    certified.push_back(truth(peer->options().certified));
  }
  const std::string suites = claims.suite == 0 ? "[]" : "[" + std::to_string(claims.suite) + "]";
  out += "\"handshake\": " + list_json(claims.handshake) + ",\n";
  out += "\"identities\": " + joined(names) + ",\n";
  out += "\"certified\": " + joined(certified) + ",\n";
  out += "\"suites\": " + suites + ",\n";
  out += "\"messages\": [" + messages_json(0) + ",\n " + messages_json(1) + "],\n";
  out += "\"closes\": " + closes_json() + ",\n";
  out += "\"key_updates\": " + pair_json(updates) + ",\n";
  out += "\"challenges_answered\": " + pair_json(claims.challenges_answered) + ",\n";
  out += "\"largest_proven\": " + pair_json(claims.largest_proven);
  if (claims.paths.empty()) return;
  out += ",\n\"paths\": " + list_json(claims.paths);
  out += ",\n\"copied\": " + pair_json(claims.copied);
}

void Scene::write(const Claims& claims, std::string& out) const {
  for (const std::string& violation : simulation_.violations()) {
    give_up(name_, violation.c_str());
  }
  out += "{\"name\": " + quoted(name_) +
         ",\n\"app_id\": " + std::to_string(peers_[0]->options().app_id) +
         ",\n\"unix_seconds\": " + std::to_string(sim::kUnixStart / 1000) +
         ",\n\"authority_public\": " + quoted(hex(test_authority().verify_key().view())) +
         ",\n\"ends\": [\n";
  write_end(0, out);
  out += ",\n";
  write_end(1, out);
  out += "],\n\"datagrams\": [\n";
  write_datagrams(out);
  out += "],\n\"expect\": {\n";
  write_expectations(claims, out);
  out += "}}";
}

}  // namespace whimbrel::vectors
