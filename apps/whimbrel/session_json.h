// What get_session_connection_info() tells, as JSON.
#pragma once

#include <nlohmann/json.hpp>

#include <whimbrel/networking_messages.h>

nlohmann::ordered_json info_json(const whimbrel::ConnectionInfo& info);
nlohmann::ordered_json status_json(const whimbrel::ConnectionStatus& status);
// Both together, of one session.
nlohmann::ordered_json session_json(whimbrel::NetworkingMessages& net,
                                    const whimbrel::Identity& user);
