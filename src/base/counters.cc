#include "base/counters.h"

namespace whimbrel {

std::string_view name(Count count) {
  static constexpr std::array<std::string_view, static_cast<std::size_t>(Count::kCount_)> kNames = {
      "packets_in",
      "packets_out",
      "bytes_in",
      "bytes_out",
      "sessions_opened",
      "sessions_failed",
      "requests",
      "cookies_sent",
      "dropped_empty",
      "dropped_unknown_type",
      "dropped_malformed",
      "dropped_unknown_index",
      "dropped_duplicate",
      "dropped_bad_seal",
      "dropped_bad_frame",
      "dropped_refused_by_limit",
      "dropped_bad_handshake",
      "dropped_bad_mac",
      "dropped_bad_cookie",
      "dropped_replayed_handshake",
      "dropped_bad_certificate",
      "dropped_bad_version",
      "dropped_crossed",
      "dropped_request_limit",
      "dropped_session_limit",
      "dropped_handshake_load",
      "dropped_identity_in_use",
      "dropped_closed_session",
      "dropped_spoofed_address",
      "unreliable_dropped_receive_limit",
      "unreliable_dropped_incomplete",
      "unreliable_dropped_age",
      "protocol_violations",
      "events_dropped",
  };
  return kNames[static_cast<std::size_t>(count)];
}

}  // namespace whimbrel
