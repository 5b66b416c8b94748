# bench/*_bench.cc: microbenchmarks of the inside of the library, in one program. What else is in bench/ builds itself.
file(GLOB microbenches CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/*_bench.cc)
if(microbenches)
  find_package(benchmark REQUIRED)
  whimbrel_inside_executable(whimbrel_microbench SOURCES ${microbenches})
  target_link_libraries(whimbrel_microbench PRIVATE benchmark::benchmark_main)
  set_target_properties(whimbrel_microbench PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)
endif()
whimbrel_add_if_present(bench)
