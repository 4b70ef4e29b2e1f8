# Finds the compiler and proves that it can do what the core needs; every refusal says what to install.
include(CheckLanguage)

check_language(CXX)
if(NOT CMAKE_CXX_COMPILER)
  message(FATAL_ERROR "No C++ compiler was found. Clipper needs GCC >= 12 or Clang >= 15.\n"
                      "  Debian, Ubuntu:  apt-get install g++\n"
                      "  Fedora:          dnf install gcc-c++\n"
                      "  or name one:     CXX=/path/to/compiler")
endif()
enable_language(CXX)

# A feature is asked for, not a version: <charconv> for floating point came with GCC 11 and libstdc++ 11, or with
# Clang on such a libstdc++; lock-free 64-bit atomics are what the batch queue's slot word stands on.
if(NOT CLIPPER_COMPILER_PROBED)
  try_compile(compiler_suits
    SOURCES "${CMAKE_CURRENT_LIST_DIR}/probe.cpp"
    CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON
    OUTPUT_VARIABLE probe_output)
  if(NOT compiler_suits)
    message(FATAL_ERROR "${CMAKE_CXX_COMPILER} (${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}) cannot compile "
                        "cmake/probe.cpp: Clipper needs C++17 with <charconv> for floating point (GCC >= 12, Clang >= 15 "
                        "with libstdc++ >= 12) and lock-free 64-bit atomics.\n"
                        "  Debian 12, Ubuntu 22.04 and later:  apt-get install g++\n"
                        "  another compiler:                   CXX=/path/to/compiler\n"
                        "What it said:\n${probe_output}")
  endif()
  set(CLIPPER_COMPILER_PROBED ON CACHE INTERNAL "the compiler passed cmake/probe.cpp")
endif()

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
  message(WARNING "GCC ${CMAKE_CXX_COMPILER_VERSION} passed the probe but is older than 12, the oldest one tested")
elseif(CMAKE_CXX_COMPILER_ID MATCHES "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 15)
  message(WARNING "Clang ${CMAKE_CXX_COMPILER_VERSION} passed the probe but is older than 15, the oldest one supported")
endif()
