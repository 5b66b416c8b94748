# The server is built of the inside of the library, and of what only a server needs.
find_library(HTTPLIB_LIBRARY cpp-httplib REQUIRED)
find_package(prometheus-cpp REQUIRED CONFIG)
find_package(spdlog REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(tomlplusplus REQUIRED)
set(app_libraries whimbrel_everything ${HTTPLIB_LIBRARY} prometheus-cpp::core
  spdlog::spdlog_header_only SQLite::SQLite3 tomlplusplus::tomlplusplus)
