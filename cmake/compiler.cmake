# What our own targets are compiled with. A project that adds Whimbrel as a subdirectory keeps its own flags.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release)
  endif()
  set(CMAKE_CXX_FLAGS_RELEASE "-O3")  # without NDEBUG: assertions stay on
  find_program(CCACHE ccache)
  if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
  endif()
endif()

add_library(whimbrel_flags INTERFACE)
# Position-independent code may then be inlined across functions as any other.
target_compile_options(whimbrel_flags INTERFACE -fno-semantic-interposition)
if(PROJECT_IS_TOP_LEVEL)
  target_compile_options(whimbrel_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Werror
    # In place of a check of clang-tidy that took a sixth of its time.
    $<$<CXX_COMPILER_ID:Clang>:-Wreserved-identifier -Wreserved-macro-identifier>
    # GCC 12 sees overlaps inside std::string that are not there: GCC bug 105651.
    $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
endif()

if(WHIMBREL_SANITIZE)
  add_compile_options(-fsanitize=${WHIMBREL_SANITIZE} -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${WHIMBREL_SANITIZE})
endif()
# One run of ctest covers two builds: the names tell them apart.
set(WHIMBREL_TEST_PREFIX "")
if(WHIMBREL_SANITIZE STREQUAL "thread")
  set(WHIMBREL_TEST_PREFIX "tsan.")
endif()
if(WHIMBREL_BUILD_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# GCC's fat objects hold machine code, too: that is what is installed (install.cmake).
set(WHIMBREL_LTO_ON OFF)
if(WHIMBREL_LTO AND CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT WHIMBREL_SANITIZE
   AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  include(CheckIPOSupported)
  check_ipo_supported(RESULT WHIMBREL_LTO_ON OUTPUT reason LANGUAGES CXX)
endif()
