// The one port of a site under arbitrary datagrams.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <memory>
#include <vector>

#include "site/site.h"
#include "traversal/stun.h"

namespace whimbrel {
namespace {

constexpr UnixMillis kUnixStart = 1'800'000'000'000;
// RFC 9000 8.1: what an address gets that has shown nothing, for each byte that came from it.
constexpr std::uint64_t kAmplificationMax = 3;

class AnySite {
 public:
  AnySite(std::uint64_t seed, const SiteConfig& config)
      : random_(seed),
        keys_(Secret()),
        authority_({}, SigningKey::generate(random_), registry_),
        site_(with_keys(config), &authority_, keys_, random_, now_, kUnixStart),
        buffer_(65536) {}

  std::vector<std::uint8_t> any_datagram() {
    std::vector<std::uint8_t> bytes(random_.below(random_.chance(0.2) ? 1500 : 120));
    random_.fill(bytes);
    if (random_.chance(0.3)) {
      bytes.resize(std::max<std::size_t>(bytes.size(), 28));
      write_binding_request(bytes, StunTransaction{1, 2, 3});
      if (random_.chance(0.5)) bytes.resize(28);
    }
    // The first bytes of our own packets are few among all.
    constexpr std::uint8_t kFirst[] = {0x80, 0x88, 0x8a, 0xc0, 0xe0, 0xe1, 0xe2, 0xe3, 0x00, 0x40};
    if (!bytes.empty() && random_.chance(0.4)) bytes[0] = kFirst[random_.below(std::size(kFirst))];
    if (bytes.size() > 1 && random_.chance(0.3)) bytes[1] = 1;
    return bytes;
  }
  IpAddress any_address() {
    return IpAddress::v4(66, 6, 6, static_cast<std::uint8_t>(random_.below(4)), 66);
  }
  void get(const IpAddress& from, std::vector<std::uint8_t> datagram) {
    received_[from] += datagram.size();
    RC_ASSERT(!site_.receive(from, datagram, now_).has_value());
  }
  // How many datagrams left.
  std::size_t drain() {
    std::size_t count = 0;
    while (const auto out = site_.poll_transmit(buffer_, now_)) {
      RC_ASSERT(received_.contains(out->to));
      sent_[out->to] += out->size;
      RC_ASSERT(sent_[out->to] <= kAmplificationMax * received_[out->to]);
      ++count;
    }
    return count;
  }
  void pass(Duration time) {
    now_ += time;
    site_.advance(now_);
  }
  FastRandom& random() { return random_; }
  const Site& site() const { return site_; }

 private:
  SiteConfig with_keys(SiteConfig config) {
    config.keys = generate_x25519(random_);
    return config;
  }

  Instant now_{};
  FastRandom random_;
  relay::SiteKeys keys_;
  rendezvous::MemoryRegistry registry_;
  rendezvous::Authority authority_;
  Site site_;
  std::vector<std::uint8_t> buffer_;
  std::map<IpAddress, std::uint64_t> received_, sent_;
};

RC_GTEST_PROP(SiteProperty, JunkIsAnsweredWithLittleAndForwardedNowhere, (std::uint64_t seed)) {
  AnySite site(seed, SiteConfig());
  const int count = *rc::gen::inRange(1, 300);
  for (int i = 0; i < count; ++i) {
    site.get(site.any_address(), site.any_datagram());
    if (site.random().chance(0.7)) site.drain();
    if (site.random().chance(0.05)) site.pass(milliseconds(500));
  }
  site.drain();
  RC_ASSERT(site.site().relay()->slot_count() == 0u);
  RC_ASSERT(site.site().control()->server().client_count() == 0u);
}

RC_GTEST_PROP(SiteProperty, StunIsAnsweredSoOftenAndNoMore, (std::uint64_t seed)) {
  SiteConfig config;
  config.stun_answers_per_second = *rc::gen::inRange(1u, 400u);
  config.stun_answers_of_prefix = 400;
  AnySite site(seed, config);
  const std::uint64_t requests = *rc::gen::inRange(1, 2000);
  const bool drained = *rc::gen::arbitrary<bool>();
  std::vector<std::uint8_t> request(28);
  write_binding_request(request, StunTransaction{1, 2, 3});
  std::size_t answers = 0;
  for (std::uint64_t i = 0; i < requests; ++i) {
    site.get(site.any_address(), request);
    if (drained) answers += site.drain();
  }
  answers += site.drain();
  RC_ASSERT(answers <= config.stun_answers_per_second);
  if (drained) {
    RC_ASSERT(answers == std::min<std::uint64_t>(requests, config.stun_answers_per_second));
    RC_ASSERT(site.site().counters().dropped_stun == requests - answers);
  }
}

}  // namespace
}  // namespace whimbrel
