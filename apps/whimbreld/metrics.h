// What /metrics answers.
#pragma once

#include <string>

#include "service.h"

// In the text format of Prometheus. Any thread.
std::string metrics_text(Service& service);
