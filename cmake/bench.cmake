# bench/*_bench.cc measure the inside of the library, in one program of Google Benchmark. Whatever else is in bench/
# has its own CMakeLists.txt.
file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/*_bench.cc)
if(sources)
  find_package(benchmark REQUIRED)
  add_executable(whimbrel_microbench ${sources})
  target_link_libraries(whimbrel_microbench PRIVATE whimbrel_everything benchmark::benchmark_main)
  set_target_properties(whimbrel_microbench PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench
    INTERPROCEDURAL_OPTIMIZATION ${WHIMBREL_LTO_ON})
endif()
if(EXISTS ${PROJECT_SOURCE_DIR}/bench/CMakeLists.txt)
  add_subdirectory(bench)
endif()
