#include "session_json.h"

#include <cmath>

using nlohmann::ordered_json;
using whimbrel::ConnectionInfo;
using whimbrel::ConnectionStatus;

namespace {

// Three decimals, so that 0.95 does not read 0.949999988.
double tidy(float value) { return std::round(static_cast<double>(value) * 1000) / 1000; }

}  // namespace

std::string json_text(const ordered_json& json, int indent) {
  return json.dump(indent, ' ', true, ordered_json::error_handler_t::replace);
}

ordered_json info_json(const ConnectionInfo& info) {
  return {{"identity", info.identity.text()},
          {"alias", info.alias.valid() ? ordered_json(info.alias.text()) : ordered_json()},
          {"state", static_cast<int>(info.state)},
          {"state_name", whimbrel::to_string(info.state)},
          {"end_reason", info.end_reason},
          {"end_debug", info.end_debug},
          {"description", info.debug_description},
          {"remote_address", info.remote_address},
          {"remote_pop", info.remote_pop},
          {"pop_relay", info.pop_relay},
          {"flags", info.flags}};
}

ordered_json status_json(const ConnectionStatus& status) {
  return {{"ping_ms", status.ping},
          {"round_trip_us", status.round_trip_us},
          {"local_quality", tidy(status.local_quality)},
          {"remote_quality", tidy(status.remote_quality)},
          {"packets_out_per_second", tidy(status.packets_out_per_second)},
          {"bytes_out_per_second", tidy(status.bytes_out_per_second)},
          {"packets_in_per_second", tidy(status.packets_in_per_second)},
          {"bytes_in_per_second", tidy(status.bytes_in_per_second)},
          {"send_rate", status.send_rate},
          {"pending_unreliable", status.pending_unreliable},
          {"pending_reliable", status.pending_reliable},
          {"sent_unacknowledged_reliable", status.sent_unacknowledged_reliable},
          {"queue_time_us", status.queue_time_us},
          {"window_bytes", status.window_bytes},
          {"packets_lost", status.packets_lost},
          {"unreliable_expired", status.unreliable_expired}};
}

ordered_json session_json(whimbrel::NetworkingMessages& net, const whimbrel::Identity& user) {
  ConnectionInfo info;
  ConnectionStatus status;
  info.identity = user;
  info.state = net.get_session_connection_info(user, &info, &status);
  ordered_json out = info_json(info);
  out["status"] = status_json(status);
  return out;
}
