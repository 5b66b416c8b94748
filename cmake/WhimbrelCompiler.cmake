# What every target of this project is compiled with. Only our own targets get these flags: a project that adds
# Whimbrel by add_subdirectory keeps its own.
include_guard()

if(PROJECT_IS_TOP_LEVEL)
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
  endif()
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  find_program(CCACHE ccache)
  if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
  endif()
endif()

add_library(whimbrel_compiler INTERFACE)
target_compile_features(whimbrel_compiler INTERFACE cxx_std_20)
target_compile_options(whimbrel_compiler INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor
  $<$<BOOL:${WHIMBREL_WERROR}>:-Werror>)

# NDEBUG is never defined: our ASSERT stays on in release builds, and so do those of the standard library that cost
# nothing.
if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_CXX_FLAGS_RELEASE "-O3")
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g")
endif()

if(WHIMBREL_SANITIZE)
  set(sanitize_flags -fsanitize=${WHIMBREL_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_compile_options(whimbrel_compiler INTERFACE ${sanitize_flags})
  target_link_options(whimbrel_compiler INTERFACE ${sanitize_flags})
endif()

# GCC only: its fat objects let an installed libwhimbrel.a be linked by any compiler, with or without LTO.
set(WHIMBREL_LTO_ON OFF)
if(WHIMBREL_LTO AND CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT WHIMBREL_SANITIZE
   AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  include(CheckIPOSupported)
  check_ipo_supported(RESULT WHIMBREL_LTO_ON LANGUAGES CXX)
endif()
