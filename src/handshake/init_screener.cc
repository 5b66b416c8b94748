#include "handshake/init_screener.h"

#include <algorithm>

namespace whimbrel {

namespace {

std::uint8_t suite_bits(const SuiteList& suites) {
  unsigned bits = 0;
  for (std::uint8_t suite : suites.view())
    if (suite >= 1 && suite <= 8) bits |= 1u << (suite - 1);
  return static_cast<std::uint8_t>(bits);
}

InitScreener::Result dropped(HandshakeError error) {
  InitScreener::Result result;
  result.error = error;
  return result;
}

}  // namespace

InitScreener::InitScreener(const HandshakeConfig& config, Random& random)
    : config_(config), mac1_key_(config.static_key.public_key), cookies_(random) {}

InitScreener::Result InitScreener::check(Bytes datagram, Bytes source, bool under_load,
                                         Instant now) {
  const auto prefix = read_init_prefix(datagram);
  if (!prefix) return dropped(HandshakeError::kMalformed);
  if (!config_.versions.contains(prefix->version))
    return version_reply(*prefix, HandshakeError::kUnsupportedVersion);
  if (!config_.suites.contains(prefix->suite) || !is_known_suite(prefix->suite))
    return version_reply(*prefix, HandshakeError::kUnsupportedSuite);
  const auto init = read_init(datagram);
  if (!init) return dropped(HandshakeError::kMalformed);
  if (init->kind == HandshakeKind::kInitIk &&
      !constant_time_equal(compute_mac1(mac1_key_, datagram), init->mac1))
    return dropped(HandshakeError::kWrongMac1);
  if (under_load && !cookies_.check(source, *init, now)) return cookie_reply(*init, source, now);
  Result result;
  result.verdict = Verdict::kPass;
  result.init = *init;
  return result;
}

bool InitScreener::shows_address(const InitView& init, Bytes source, Instant now) {
  const bool has_cookie = std::any_of(init.cookie.begin(), init.cookie.end(),
                                      [](std::uint8_t byte) { return byte != 0; });
  return has_cookie && cookies_.check(source, init, now);
}

InitScreener::Result InitScreener::version_reply(const InitPrefix& prefix,
                                                 HandshakeError error) const {
  Result result = dropped(error);
  result.verdict = Verdict::kReply;
  result.reply_size = write_version_reply({.versions = config_.versions,
                                           .suites = suite_bits(config_.suites),
                                           .receiver_index = prefix.sender_index},
                                          result.reply);
  return result;
}

InitScreener::Result InitScreener::cookie_reply(const InitView& init, Bytes source, Instant now) {
  Result result = dropped(HandshakeError::kNoCookie);
  result.verdict = Verdict::kReply;
  result.reply_size = write_cookie_reply(
      {.receiver_index = init.sender_index, .cookie = cookies_.make(source, init, now)},
      result.reply);
  return result;
}

}  // namespace whimbrel
