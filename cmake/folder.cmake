# One folder of the house: its sources become an object library whimbrel_<folder>, its *_test.cc files a test program
# <folder>_test.

function(whimbrel_folder name directory)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${directory}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(sources)
    add_library(whimbrel_${name} OBJECT ${sources})
    target_link_libraries(whimbrel_${name} PRIVATE whimbrel_flags OpenSSL::Crypto Threads::Threads)
    set_target_properties(whimbrel_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    set_property(GLOBAL APPEND PROPERTY WHIMBREL_OBJECTS $<TARGET_OBJECTS:whimbrel_${name}>)
  endif()
  if(tests AND WHIMBREL_BUILD_TESTS)
    set_property(GLOBAL APPEND PROPERTY WHIMBREL_TEST_PROGRAMS ${name}_test)
    set_property(GLOBAL PROPERTY WHIMBREL_SOURCES_${name}_test ${tests})
  endif()
endfunction()

# A test program of GoogleTest and RapidCheck, with everything of the house at hand.
function(whimbrel_test_program name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE whimbrel_everything GTest::gtest_main rapidcheck)
  target_compile_definitions(${name} PRIVATE WHIMBREL_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 600 LABELS ${name})
endfunction()
