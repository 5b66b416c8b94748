# How the folders of the tree become targets.
include_guard()

# CMake 3.25 adds folders only when they exist and hold a CMakeLists.txt.
function(whimbrel_add_if_present folder)
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/CMakeLists.txt)
    add_subdirectory(${folder})
  endif()
endfunction()

# Sets <sources> and <tests> to the *.cc and *_test.cc below <folder>; new files are noticed by the next build.
function(whimbrel_glob folder sources tests)
  file(GLOB_RECURSE all CONFIGURE_DEPENDS ${folder}/*.cc)
  set(found_tests ${all})
  list(FILTER found_tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER all EXCLUDE REGEX "_test\\.cc$")
  set(${sources} ${all} PARENT_SCOPE)
  set(${tests} ${found_tests} PARENT_SCOPE)
endfunction()

# Flags, include folders and dependencies that everything built from src/ shares.
function(whimbrel_core_target target)
  target_link_libraries(${target} PRIVATE whimbrel_compiler OpenSSL::Crypto Threads::Threads)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
  set_target_properties(${target} PROPERTIES
    POSITION_INDEPENDENT_CODE ON
    INTERPROCEDURAL_OPTIMIZATION ${WHIMBREL_LTO_ON})
endfunction()

# A layer of the house: object library whimbrel_<name> from src/<name>, on top of the layers named after it, and
# the test program <name>_test from the *_test.cc there. A test program holds its own layer and those below and no
# other, so the link step proves that includes go downwards. A folder without sources may still be named.
function(whimbrel_layer name)
  whimbrel_glob(${CMAKE_CURRENT_SOURCE_DIR}/${name} sources tests)
  set(layers ${name})
  foreach(below ${ARGN})
    get_property(closure GLOBAL PROPERTY whimbrel_layers_of_${below})
    list(APPEND layers ${below} ${closure})
  endforeach()
  list(REMOVE_DUPLICATES layers)
  set_property(GLOBAL PROPERTY whimbrel_layers_of_${name} ${layers})
  set_property(GLOBAL APPEND PROPERTY whimbrel_layers ${name})

  if(sources)
    add_library(whimbrel_${name} OBJECT ${sources})
    whimbrel_core_target(whimbrel_${name})
    if(WHIMBREL_LTO_ON)
      target_compile_options(whimbrel_${name} PRIVATE -ffat-lto-objects)
    endif()
  endif()
  if(tests AND WHIMBREL_BUILD_TESTS AND NOT WHIMBREL_BUILD_FUZZ)
    whimbrel_test(${name}_test LAYERS ${layers} SOURCES ${tests})
  endif()
endfunction()

# Sets <objects> to the object files of the given layers, or of all of them.
function(whimbrel_layer_objects objects)
  set(layers ${ARGN})
  if(NOT layers)
    get_property(layers GLOBAL PROPERTY whimbrel_layers)
  endif()
  set(found)
  foreach(layer ${layers})
    if(TARGET whimbrel_${layer})
      list(APPEND found $<TARGET_OBJECTS:whimbrel_${layer}>)
    endif()
  endforeach()
  set(${objects} ${found} PARENT_SCOPE)
endfunction()

# An executable that sees the inside of the library: all layers, or those named.
function(whimbrel_inside_executable target)
  cmake_parse_arguments(arg "" "" "LAYERS;SOURCES" ${ARGN})
  whimbrel_layer_objects(objects ${arg_LAYERS})
  add_executable(${target} ${arg_SOURCES} ${objects})
  whimbrel_core_target(${target})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  if(TARGET whimbrel_sim AND NOT arg_LAYERS)
    target_link_libraries(${target} PRIVATE whimbrel_sim)
  endif()
endfunction()

# A GoogleTest program. Each of its cases is one ctest case, labelled with the program's name.
function(whimbrel_test target)
  if(WHIMBREL_TESTS AND NOT target IN_LIST WHIMBREL_TESTS)
    return()
  endif()
  cmake_parse_arguments(arg "" "TIMEOUT" "LAYERS;SOURCES" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  whimbrel_inside_executable(${target} LAYERS ${arg_LAYERS} SOURCES ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE GTest::gmock GTest::gtest_main rapidcheck rapidcheck_gtest)
  # Links are many and short-lived here: link-time optimisation would cost minutes and test nothing more.
  set_target_properties(${target} PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF)
  add_dependencies(whimbrel_tests ${target})
  gtest_discover_tests(${target}
    DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
    PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS ${target})
endfunction()

if(WHIMBREL_BUILD_TESTS)
  include(GoogleTest)
  add_custom_target(whimbrel_tests)  # everything that ctest runs
endif()
