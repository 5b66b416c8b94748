# How the folders of the house become libraries and test programs.

# Sets <sources> and <tests> to the *.cc and the *_test.cc below a folder. The next build notices new ones.
function(whimbrel_glob folder sources tests)
  file(GLOB_RECURSE all CONFIGURE_DEPENDS ${folder}/*.cc)
  set(only_tests ${all})
  list(FILTER only_tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER all EXCLUDE REGEX "_test\\.cc$")
  set(${sources} ${all} PARENT_SCOPE)
  set(${tests} ${only_tests} PARENT_SCOPE)
endfunction()

# One layer: its sources become an object library whimbrel_<name>, its *_test.cc the test program <name>_test. The
# layers that it stands on follow the name. A test program holds its own layer and those below, no more: an include
# that goes upwards does not link. A layer without sources yet is fine.
function(whimbrel_layer name)
  whimbrel_glob(${CMAKE_CURRENT_SOURCE_DIR}/${name} sources tests)
  if(sources)
    add_library(whimbrel_${name} OBJECT ${sources})
    whimbrel_inside(whimbrel_${name})
    set_target_properties(whimbrel_${name} PROPERTIES
      POSITION_INDEPENDENT_CODE ON
      INTERPROCEDURAL_OPTIMIZATION ${WHIMBREL_LTO_ON})
    if(WHIMBREL_LTO_ON)
      target_compile_options(whimbrel_${name} PRIVATE -ffat-lto-objects)
    endif()
    set(objects $<TARGET_OBJECTS:whimbrel_${name}>)
    set_property(GLOBAL APPEND PROPERTY WHIMBREL_OBJECTS ${objects})
  endif()

  foreach(below ${ARGN})
    get_property(objects_below GLOBAL PROPERTY WHIMBREL_OBJECTS_UP_TO_${below})
    list(APPEND objects ${objects_below})
  endforeach()
  list(REMOVE_DUPLICATES objects)
  set_property(GLOBAL PROPERTY WHIMBREL_OBJECTS_UP_TO_${name} ${objects})

  if(tests AND WHIMBREL_BUILD_TESTS)
    whimbrel_test(${name}_test SOURCES ${tests} ${objects})
  endif()
endfunction()

# Lets a target see the inside of the library.
function(whimbrel_inside target)
  target_link_libraries(${target} PRIVATE whimbrel_flags OpenSSL::Crypto Sodium::Sodium Threads::Threads
    $<$<BOOL:${WHIMBREL_HAS_IPSEC_MB}>:IPSecMB::IPSecMB>)
  target_include_directories(${target} PRIVATE
    ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR})
endfunction()

# A program of GoogleTest and RapidCheck. Each of its cases is a case of ctest, labelled with the program's name.
function(whimbrel_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;LIBRARIES" ${ARGN})
  if(WHIMBREL_TESTS AND NOT name IN_LIST WHIMBREL_TESTS)
    return()
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LIBRARIES})
  whimbrel_test_options(${name})
  whimbrel_test_headers(${name})
  gtest_discover_tests(${name}
    TEST_PREFIX ${WHIMBREL_TEST_PREFIX}
    DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
    PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS ${name})
endfunction()

function(whimbrel_test_options name)
  whimbrel_inside(${name})
  target_link_libraries(${name} PRIVATE GTest::gmock GTest::gtest_main rapidcheck rapidcheck_gtest)
  # The library is optimised under sanitizers, too; what only checks it had better compile fast.
  target_compile_options(${name} PRIVATE $<$<CONFIG:Debug>:-O0>)
  target_compile_definitions(${name} PRIVATE WHIMBREL_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
endfunction()

# What every test includes is parsed once. Only with Clang, whose precompiled headers ccache can look through, and not
# for tests with libraries of their own, whose definitions would differ.
function(whimbrel_test_headers name)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR name MATCHES "^app_")
    return()
  endif()
  if(NOT TARGET whimbrel_test_headers)
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/test_headers.cc CONTENT "")
    add_library(whimbrel_test_headers OBJECT ${PROJECT_BINARY_DIR}/test_headers.cc)
    whimbrel_test_options(whimbrel_test_headers)
    target_compile_options(whimbrel_test_headers PUBLIC "SHELL:-Xclang -fno-pch-timestamp")
    target_precompile_headers(whimbrel_test_headers PRIVATE
      <gmock/gmock.h> <gtest/gtest.h> <rapidcheck.h> <rapidcheck/gtest.h>
      <algorithm> <array> <deque> <functional> <map> <memory> <optional> <set> <span> <string> <thread> <variant>
      <vector>)
  endif()
  target_compile_options(${name} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
  target_precompile_headers(${name} REUSE_FROM whimbrel_test_headers)
endfunction()
