# Fuzzers of what strangers send: each tests/fuzz/<name>_fuzz.cpp is a libFuzzer program, fuzz_<name>, under AddressSanitizer
# and UndefinedBehaviorSanitizer. fuzz_http has an interpreter in it, and HTTP modules of its own that count their branches.
# scripts/fuzz builds and runs them; a machine without Clang replays the corpus all the same (cpp_tests.cmake).
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  message(FATAL_ERROR "The fuzzers are libFuzzer's, which is Clang's, but the compiler is ${CMAKE_CXX_COMPILER}.\n"
                      "  Debian, Ubuntu:  apt-get install clang-19 libclang-rt-19-dev, then CXX=clang++-19")
endif()

set(fuzz_flags -O1 -g1 -fno-omit-frame-pointer -fno-sanitize-recover=all)
file(GLOB CLIPPER_FUZZERS CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/tests/fuzz/*_fuzz.cpp")
list(REMOVE_ITEM CLIPPER_FUZZERS "${CMAKE_CURRENT_SOURCE_DIR}/tests/fuzz/http_fuzz.cpp")
foreach(source IN LISTS CLIPPER_FUZZERS)
  cmake_path(GET source STEM stem)
  string(REGEX REPLACE "_fuzz$" "" name "${stem}")
  add_executable(fuzz_${name} "${source}")
  target_link_libraries(fuzz_${name} PRIVATE clipper_headers clipper_load_headers)
  target_compile_options(fuzz_${name} PRIVATE -Wall -Wextra ${fuzz_flags} -fsanitize=fuzzer,address,undefined)
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer,address,undefined)
endforeach()

find_package(Python COMPONENTS Interpreter Development.Module Development.Embed)
if(NOT Python_Development.Embed_FOUND)
  message(STATUS "No fuzz_http: this Python has no shared library to embed (Debian: apt-get install libpython3-dev)")
  return()
endif()
# Cython calls through casts of function pointers all over, which UndefinedBehaviorSanitizer refuses: addresses alone.
set(CLIPPER_CORE_MODULES http_request http_connection http_decisions http_protocol http_server route_table)
add_compile_options(${fuzz_flags} -fsanitize=fuzzer-no-link,address)
include(core_modules)
add_executable(fuzz_http tests/fuzz/http_fuzz.cpp)
target_link_libraries(fuzz_http PRIVATE Python::Python)
target_compile_definitions(fuzz_http PRIVATE CLIPPER_PYTHON="${Python_EXECUTABLE}")
target_link_options(fuzz_http PRIVATE -fsanitize=fuzzer,address)
set_target_properties(fuzz_http PROPERTIES ENABLE_EXPORTS ON)  # the modules find the counters in it
