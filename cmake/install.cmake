# Installation: headers, library, find_package and pkg-config files.
include(CMakePackageConfigHelpers)

install(TARGETS whimbrel EXPORT whimbrelTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/whimbrel DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/whimbrel)
install(EXPORT whimbrelTargets NAMESPACE whimbrel:: DESTINATION ${package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/whimbrelConfig.cmake.in
  ${PROJECT_BINARY_DIR}/whimbrelConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/whimbrelConfigVersion.cmake COMPATIBILITY SameMinorVersion)
configure_file(${PROJECT_SOURCE_DIR}/cmake/whimbrel.pc.in ${PROJECT_BINARY_DIR}/whimbrel.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/whimbrelConfig.cmake ${PROJECT_BINARY_DIR}/whimbrelConfigVersion.cmake
  DESTINATION ${package_dir})
install(FILES ${PROJECT_BINARY_DIR}/whimbrel.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
