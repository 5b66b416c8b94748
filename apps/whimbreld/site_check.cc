#include "site_check.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "io/system_random.h"
#include "traversal/stun.h"

using namespace whimbrel;

namespace {

// As long as a question lasts, and clocks that disagree a little.
constexpr std::int64_t kTicketSeconds = 120;

// A ticket as players get them.
relay::Ticket ticket_for(const IpAddress& address, const Secret& master, SecureRandom& random) {
  relay::Token token;
  token.identity = relay::identity_hash(0, "whimbreld");
  token.not_after = unix_now() / 1000 + kTicketSeconds;
  random.fill(token.id);
  random.fill(token.secret.bytes);
  relay::SiteKeys keys(master);
  const relay::SealedToken sealed = keys.seal(token, random, unix_now() / 1000);
  return {address, {sealed.begin(), sealed.end()}, token.secret};
}

}  // namespace

SiteCheck::SiteCheck(std::vector<Target> targets, Warn warn)
    : warn_(std::move(warn)), random_(system_random_seed()) {
  for (Target& target : targets) sites_.push_back({std::move(target), {}, {}, {}, false});
}

void SiteCheck::set_addresses(const std::string& site, const std::vector<IpAddress>& addresses) {
  for (CheckedSite& one : sites_) {
    if (one.target.site.name == site) one.target.site.addresses = addresses;
  }
}

void SiteCheck::tick(Clock::time_point now) {
  for (CheckedSite& site : sites_) {
    if (site.probes.empty()) {
      if (now >= site.next) begin(site, now);
      continue;
    }
    for (Probe& probe : site.probes) {
      listen(probe, site.target.site.name);
      ask(probe);
    }
    if (settled(site) || now - site.begun >= kPatience) end(site);
  }
}

void SiteCheck::begin(CheckedSite& site, Clock::time_point now) {
  site.next = now + kInterval;
  site.begun = now;
  for (const IpAddress& address : site.target.site.addresses) {
    UdpSocket::Settings settings;
    settings.buffer_bytes = 1 << 16;
    auto socket =
        UdpSocket::bind(*IpAddress::parse(address.is_v4() ? "0.0.0.0:0" : "[::]:0"), settings);
    if (!socket) continue;
    Probe& probe = site.probes.emplace_back();
    probe.address = address;
    probe.socket = std::move(*socket);
    probe.leg = std::make_unique<relay::Leg>(random_);
    probe.leg->open(ticket_for(address, site.target.site.master, random_), clock_.now());
    ask(probe);
  }
}

void SiteCheck::ask(Probe& probe) {
  std::array<std::uint8_t, relay::kOpenSizeMax> buffer{};
  if (!probe.answers) {
    StunTransaction transaction{};
    random_.fill(transaction);
    const std::size_t size = write_binding_request(buffer, transaction);
    probe.socket->send(probe.address, Bytes(buffer).first(size), size);
  }
  probe.leg->advance(clock_.now());
  while (const std::size_t size = probe.leg->poll_transmit(buffer, clock_.now()))
    probe.socket->send(probe.address, Bytes(buffer).first(size), size);
}

void SiteCheck::take(Probe& probe, MutableBytes datagram) {
  if (datagram.empty()) return;
  if (relay::is_relay_packet(datagram[0])) {
    probe.leg->receive(datagram, clock_.now());
  } else if (read_binding_response(datagram)) {
    probe.answers = true;
  }
}

void SiteCheck::listen(Probe& probe, const std::string& name) {
  for (const UdpSocket::Batch& batch : probe.socket->receive()) {
    if (batch.from != probe.address || batch.segment_size == 0) continue;
    for (std::size_t at = 0; at < batch.bytes.size(); at += batch.segment_size)
      take(probe, batch.bytes.subspan(at, std::min(batch.segment_size, batch.bytes.size() - at)));
  }
  while (const auto event = probe.leg->poll_event()) {
    const auto* lost = std::get_if<relay::LegLost>(&*event);
    // A refusal is sealed with the ticket's secret, which is in the ticket: the relay has read it.
    const bool refused = lost != nullptr && lost->why == relay::LegLost::Why::kRefused;
    probe.old = refused && lost->refusal == relay::Refusal::kExpired;
    probe.opened = probe.opened || (refused && !probe.old);
  }
  if (probe.leg->state() == relay::Leg::State::kOpen) {
    probe.opened = true;
    probe.other_name = probe.leg->relay_id() != relay::site_id(name);
  }
}

bool SiteCheck::settled(const CheckedSite& site) {
  return std::all_of(site.probes.begin(), site.probes.end(),
                     [](const Probe& probe) { return probe.opened || probe.old; });
}

std::string SiteCheck::fault_of(const CheckedSite& site) const {
  const auto& [name, key_file] = std::pair(site.target.site.name, site.target.key_file);
  for (const Probe& probe : site.probes) {
    const std::string where = fmt::format("site \"{}\" at {}", name, probe.address.text());
    if (probe.other_name) {
      return fmt::format(
          "{}: that relay calls itself by another name, so players do not use it: compare the name "
          "here with relay.site on that machine",
          where);
    }
    if (probe.old) {
      return fmt::format(
          "{} refuses the tickets of this server for their date: compare the clocks of the two "
          "machines",
          where);
    }
    if (probe.answers && !probe.opened) {
      return fmt::format(
          "{} answers, but takes no tickets of this server: its site.key is another one than {} "
          "here. "
          "Compare \"sha256sum {}\" with \"sha256sum site.key\" in the state folder on that "
          "machine, "
          "and copy that file again",
          where, key_file, key_file);
    }
  }
  return "";
}

void SiteCheck::end(CheckedSite& site) {
  const std::string fault = fault_of(site);
  const bool heard = std::any_of(site.probes.begin(), site.probes.end(), [](const Probe& probe) {
    return probe.answers || probe.opened || probe.old;
  });
  if (!fault.empty()) warn_(fault);
  // Once: it may be reached by players all the same, or be off for a while.
  if (!heard && !site.silent)
    warn_(fmt::format("site \"{}\": from here there is no answer of {}", site.target.site.name,
                      site.probes.front().address.text()));
  site.silent = !heard;
  for (Probe& probe : site.probes) {
    probe.leg->close();
    ask(probe);
  }
  site.probes.clear();
}
