// What the application reads of the network's status.
#pragma once

#include <whimbrel/networking_messages.h>

#include "network/network.h"

namespace whimbrel {

ServerStatus public_status(const NetworkStatus& inside);

}  // namespace whimbrel
