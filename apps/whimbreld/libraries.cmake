find_package(tomlplusplus REQUIRED)
set(app_libraries tomlplusplus::tomlplusplus)
