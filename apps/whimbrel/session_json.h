// What get_session_connection_info() tells, as JSON.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include <whimbrel/networking_messages.h>

// As text: on one line, or with so many blanks of indentation. ASCII alone: what peers call
// themselves may be anything.
std::string json_text(const nlohmann::ordered_json& json, int indent = -1);

nlohmann::ordered_json info_json(const whimbrel::ConnectionInfo& info);
nlohmann::ordered_json status_json(const whimbrel::ConnectionStatus& status);
// Both together, of one session.
nlohmann::ordered_json session_json(whimbrel::NetworkingMessages& net,
                                    const whimbrel::Identity& user);
