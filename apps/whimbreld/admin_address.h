// Where the page for operators listens: IP:PORT.
#pragma once

#include <string>

#include "base/ip_address.h"

// Throws std::runtime_error for what is no such address.
whimbrel::IpAddress admin_address(const std::string& listen);

// Throws std::runtime_error where nobody can listen there; "" is no page, and no fault. Binds the
// port for a moment, or any where `any_port`.
void check_admin_port(const std::string& listen, bool any_port);
