# Test programs of the C++ parts, without Python: each tests/cpp/<name>_test.cpp is a main() that exits non-zero on failure.
# A header of ours must also compile on its own, so each gets a translation unit that includes nothing else, and so must
# the micro-benchmarks in C++, which nothing else compiles; once is enough, so not under a sanitizer.
find_package(Threads REQUIRED)

file(GLOB CLIPPER_CPP_TESTS CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/tests/cpp/*_test.cpp")
file(GLOB CLIPPER_CPP_HEADERS CONFIGURE_DEPENDS
     "${CMAKE_CURRENT_SOURCE_DIR}/clipper/_core/*.hpp" "${CMAKE_CURRENT_SOURCE_DIR}/clipper/bench/client/*.hpp")

add_library(clipper_own_cpp INTERFACE)
target_link_libraries(clipper_own_cpp INTERFACE clipper_headers clipper_load_headers Threads::Threads)
target_compile_options(clipper_own_cpp INTERFACE -Wall -Wextra -Wpedantic -g1 $<$<BOOL:${CLIPPER_WERROR}>:-Werror>)
set(sanitizer_environment "")
if(CLIPPER_SANITIZE STREQUAL "address")
  set(sanitizer_flags -O0 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  set(sanitizer_environment "ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1;UBSAN_OPTIONS=print_stacktrace=1")
elseif(CLIPPER_SANITIZE STREQUAL "thread")
  set(sanitizer_flags -O1 -fsanitize=thread -fno-omit-frame-pointer)
  set(sanitizer_environment "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1")
elseif(CLIPPER_SANITIZE)
  message(FATAL_ERROR "CLIPPER_SANITIZE is '${CLIPPER_SANITIZE}', expected address, thread or nothing")
endif()
target_compile_options(clipper_own_cpp INTERFACE ${sanitizer_flags})
target_link_options(clipper_own_cpp INTERFACE ${sanitizer_flags})

if(CLIPPER_SANITIZE STREQUAL "thread")
  # It looks for races: there are none to find in a program that has one thread.
  set(tests_of_threads "")
  foreach(source IN LISTS CLIPPER_CPP_TESTS)
    file(STRINGS "${source}" lines_about_threads REGEX "std::thread|pthread_|fork\\(")
    if(lines_about_threads)
      list(APPEND tests_of_threads "${source}")
    endif()
  endforeach()
  set(CLIPPER_CPP_TESTS "${tests_of_threads}")
endif()

foreach(source IN LISTS CLIPPER_CPP_TESTS)
  cmake_path(GET source STEM name)
  add_executable(${name} "${source}")
  target_link_libraries(${name} PRIVATE clipper_own_cpp)
  # The programs test with their own checks, yet an assert() in them must not vanish with NDEBUG.
  target_compile_options(${name} PRIVATE -UNDEBUG)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300 ENVIRONMENT "${sanitizer_environment}")
endforeach()

# The fuzzers' corpus, every file of it once: what was ever found stays found, without Clang and in seconds.
file(GLOB CLIPPER_FUZZERS CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/tests/fuzz/*_fuzz.cpp")
list(REMOVE_ITEM CLIPPER_FUZZERS "${CMAKE_CURRENT_SOURCE_DIR}/tests/fuzz/http_fuzz.cpp")
if(CLIPPER_SANITIZE STREQUAL "thread")
  set(CLIPPER_FUZZERS "")  # they have one thread, too
endif()
foreach(source IN LISTS CLIPPER_FUZZERS)
  cmake_path(GET source STEM stem)
  string(REGEX REPLACE "_fuzz$" "" name "${stem}")
  add_executable(replay_${name} "${source}" tests/fuzz/replay.cpp)
  target_link_libraries(replay_${name} PRIVATE clipper_own_cpp)
  add_test(NAME replay_${name} COMMAND replay_${name} "${CMAKE_CURRENT_SOURCE_DIR}/tests/fuzz/corpus/${name}")
  set_tests_properties(replay_${name} PROPERTIES TIMEOUT 120 ENVIRONMENT "${sanitizer_environment}")
endforeach()

if(CLIPPER_CPP_HEADERS AND NOT CLIPPER_SANITIZE)
  set(header_units "")
  foreach(header IN LISTS CLIPPER_CPP_HEADERS)
    cmake_path(GET header STEM name)
    set(unit "${CMAKE_CURRENT_BINARY_DIR}/headers/${name}.cpp")
    file(CONFIGURE OUTPUT "${unit}" CONTENT "#include \"${header}\"\n")
    list(APPEND header_units "${unit}")
  endforeach()
  add_library(clipper_header_units OBJECT ${header_units})
  target_link_libraries(clipper_header_units PRIVATE clipper_own_cpp)
  target_compile_options(clipper_header_units PRIVATE -O0)  # nobody runs them
endif()

if(NOT CLIPPER_SANITIZE)
  file(GLOB CLIPPER_MICRO_BENCHMARKS CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/bench/micro/*.cpp")
  add_library(clipper_micro_benchmarks OBJECT ${CLIPPER_MICRO_BENCHMARKS})
  target_link_libraries(clipper_micro_benchmarks PRIVATE clipper_own_cpp)
  target_compile_options(clipper_micro_benchmarks PRIVATE -O0)  # their first lines say how to build them to be run
endif()
