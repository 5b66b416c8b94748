// Where the library's debug output goes: a sink that the application sets, nothing by default.
// Counters come before logs: a dropped packet is counted, not logged.
#pragma once

#include <functional>
#include <string_view>

namespace whimbrel {

enum class LogLevel { kError = 1, kWarning = 2, kInfo = 3, kDebug = 4 };

// Called on whichever thread logs; must not call back into the library.
using LogSink = std::function<void(LogLevel, std::string_view)>;

}  // namespace whimbrel
