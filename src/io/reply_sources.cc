#include "io/reply_sources.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <time.h>

#include <cstring>

#include "io/system_random.h"
#include "io/udp_socket.h"

namespace whimbrel {

namespace {

// An address may come, or go, while we run.
constexpr std::int64_t kInterfacesSeconds = 10;

std::int64_t seconds_now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return now.tv_sec;
}

bool same_host(const IpAddress& a, const IpAddress& b) { return a.bytes == b.bytes; }

bool is_link_local(const IpAddress& address) {
  return !address.is_v4() && address.bytes[0] == 0xfe && (address.bytes[1] & 0xc0) == 0x80;
}

}  // namespace

ReplySources::ReplySources(bool v4) : v4_(v4) {
  const Secret seed = system_random_seed();
  std::memcpy(&seed_, seed.bytes.data(), sizeof seed_);
  look_at_interfaces();
}

void ReplySources::look_at_interfaces() {
  looked_at_ = seconds_now();
  only_.reset();
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return;
  std::size_t count = 0;
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != (v4_ ? AF_INET : AF_INET6)) {
      continue;
    }
    sockaddr_storage storage{};
    std::memcpy(&storage, one->ifa_addr, v4_ ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    const IpAddress address = from_socket_address(storage);
    if (address.is_loopback() || is_link_local(address)) continue;
    only_ = address;
    ++count;
  }
  freeifaddrs(all);
  if (count != 1) only_.reset();
}

bool ReplySources::kernel_would(const IpAddress& local) {
  static const IpAddress loopback_v4 = IpAddress::v4(127, 0, 0, 1, 0);
  static const IpAddress loopback_v6 = *IpAddress::parse("::1");
  if (same_host(local, v4_ ? loopback_v4 : loopback_v6)) return true;
  if (seconds_now() - looked_at_ >= kInterfacesSeconds) look_at_interfaces();
  return only_ && same_host(local, *only_);
}

void ReplySources::note(const IpAddress& peer, const IpAddress& local) {
  if (kernel_would(local)) {
    forget(peer);
    return;
  }
  if (sets_.empty()) sets_.resize(kEntriesMax);
  Entry* set = &sets_[place_of(peer)];
  Entry* place = nullptr;
  for (Entry* entry = set; entry != set + kWays; ++entry) {
    if (entry->peer == peer) {
      entry->local = local;
      return;
    }
    if (place == nullptr && entry->peer.empty()) place = entry;
  }
  if (place == nullptr) place = set + victim_++ % kWays;
  *place = {peer, local};
}

void ReplySources::forget(const IpAddress& peer) {
  if (sets_.empty()) return;
  Entry* set = &sets_[place_of(peer)];
  for (Entry* entry = set; entry != set + kWays; ++entry) {
    if (entry->peer == peer) *entry = {};
  }
}

const IpAddress* ReplySources::look_up(const IpAddress& peer) const {
  const Entry* set = &sets_[place_of(peer)];
  for (const Entry* entry = set; entry != set + kWays; ++entry) {
    if (entry->peer == peer) return &entry->local;
  }
  return nullptr;
}

std::size_t ReplySources::place_of(const IpAddress& peer) const {
  std::uint64_t hash = seed_;
  for (std::size_t at = 0; at < peer.bytes.size(); at += sizeof hash) {
    std::uint64_t part = 0;
    std::memcpy(&part, peer.bytes.data() + at, sizeof part);
    hash = (hash ^ part) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 32;
  }
  hash = (hash ^ peer.port) * 0xd6e8feb86659fd93;
  hash ^= hash >> 32;
  return hash % (kEntriesMax / kWays) * kWays;
}

}  // namespace whimbrel
