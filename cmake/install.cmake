# Headers, library, and what find_package and pkg-config need.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/whimbrel)

install(TARGETS whimbrel EXPORT whimbrelTargets)
# Where its objects hold GCC's intermediate code, too, each program that links them would be optimised together with the whole
# library: half a minute. The machine code beside is what is installed.
get_target_property(library_type whimbrel TYPE)
if(WHIMBREL_LTO_ON AND library_type STREQUAL "STATIC_LIBRARY" AND CMAKE_OBJCOPY)
  install(CODE "
    cmake_path(SET archive \"${CMAKE_INSTALL_LIBDIR}/$<TARGET_FILE_NAME:whimbrel>\")
    cmake_path(ABSOLUTE_PATH archive BASE_DIRECTORY \"\${CMAKE_INSTALL_PREFIX}\")
    execute_process(COMMAND \"${CMAKE_OBJCOPY}\" --remove-section=.gnu.lto_* --remove-section=.gnu.debuglto_*
      --strip-symbol=__gnu_lto_v1 \"\$ENV{DESTDIR}\${archive}\" COMMAND_ERROR_IS_FATAL ANY)")
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT whimbrelTargets NAMESPACE whimbrel:: DESTINATION ${package_dir})

configure_package_config_file(cmake/whimbrelConfig.cmake.in
  ${PROJECT_BINARY_DIR}/whimbrelConfig.cmake INSTALL_DESTINATION ${package_dir})
# Before 1.0 a minor version may break what used the one before.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/whimbrelConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/whimbrelConfig.cmake ${PROJECT_BINARY_DIR}/whimbrelConfigVersion.cmake
  DESTINATION ${package_dir})

# The prefix is told from where the file lies, so that the installed tree can be moved.
set(pc_dir ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH pc_to_prefix ${pc_dir} ${CMAKE_INSTALL_PREFIX})
file(RELATIVE_PATH pc_libdir ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_LIBDIR})
file(RELATIVE_PATH pc_includedir ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
# A static library brings what it needs to the program's link line.
set(pc_private "")
set(pc_private_suffix "")
if(BUILD_SHARED_LIBS)
  set(pc_private ".private")
  set(pc_private_suffix "_private")
endif()
install(FILES cmake/FindSodium.cmake DESTINATION ${package_dir})
# intel-ipsec-mb has no pkg-config file of its own to require.
set(pc_ipsec_mb "")
set(pc_ipsec_mb_private "")
if(WHIMBREL_HAS_IPSEC_MB)
  get_filename_component(ipsec_mb_dir ${IPSecMB_LIBRARY} DIRECTORY)
  set(pc_ipsec_mb${pc_private_suffix} " -L${ipsec_mb_dir} -lIPSec_MB")
  install(FILES cmake/FindIPSecMB.cmake DESTINATION ${package_dir})
endif()
configure_file(cmake/whimbrel.pc.in ${PROJECT_BINARY_DIR}/whimbrel.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/whimbrel.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
