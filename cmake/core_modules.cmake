# Each name of CLIPPER_CORE_MODULES becomes one extension module in clipper/_core/.
find_package(Python COMPONENTS Interpreter Development.Module)
if(NOT Python_Interpreter_FOUND)
  message(FATAL_ERROR "No Python interpreter was found; name one: -DPython_EXECUTABLE=/path/to/python3")
endif()
if(NOT Python_Development.Module_FOUND)
  message(FATAL_ERROR "The headers of Python ${Python_VERSION} (${Python_EXECUTABLE}) are missing.\n"
                      "  Debian, Ubuntu:  apt-get install python3-dev   (for another version: python3.X-dev)\n"
                      "  Fedora:          dnf install python3-devel")
endif()

# Cython runs in the interpreter that is built for: pip's isolated one, or that of the virtual environment.
execute_process(
  COMMAND "${Python_EXECUTABLE}" -c "import Cython; print(Cython.__file__)"
  OUTPUT_VARIABLE cython_package OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE cython_missing ERROR_QUIET)
if(cython_missing)
  message(FATAL_ERROR "${Python_EXECUTABLE} has no Cython: ${Python_EXECUTABLE} -m pip install cython")
endif()

# All modules in one command: transpile.py translates those that are out of date, in as few processes as can be, and
# leaves the others as they are, which Ninja sees.
set(CLIPPER_TRANSLATIONS "${CMAKE_CURRENT_BINARY_DIR}/translations" CACHE PATH
    "Where the C++ that Cython makes of the core is kept; build trees of one source tree may share it")
get_filename_component(CLIPPER_TRANSLATIONS "${CLIPPER_TRANSLATIONS}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
set(sources "")
set(translations "")
foreach(module IN LISTS CLIPPER_CORE_MODULES)
  list(APPEND sources "clipper/_core/${module}.pyx")
  list(APPEND translations "${CLIPPER_TRANSLATIONS}/${module}.cxx")
endforeach()
file(GLOB declarations CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/clipper/_core/*.pxd")
set(transpile "${CMAKE_CURRENT_SOURCE_DIR}/cmake/transpile.py")
add_custom_command(
  OUTPUT ${translations}
  COMMAND "${Python_EXECUTABLE}" "${transpile}" --root "${CMAKE_CURRENT_SOURCE_DIR}" --into "${CLIPPER_TRANSLATIONS}"
          ${sources}
  DEPENDS ${sources} ${declarations} "${transpile}" "${cython_package}"
  COMMENT "Translating Cython to C++"
  VERBATIM)
add_custom_target(clipper_translations DEPENDS ${translations})

foreach(module IN LISTS CLIPPER_CORE_MODULES)
  python_add_library(${module} MODULE "${CLIPPER_TRANSLATIONS}/${module}.cxx" WITH_SOABI)
  add_dependencies(${module} clipper_translations)
  target_link_libraries(${module} PRIVATE clipper_headers)
  # Only the module's init function is called from outside: hidden symbols keep the .so small and calls direct.
  set_target_properties(${module} PROPERTIES CXX_VISIBILITY_PRESET hidden)
  install(TARGETS ${module} DESTINATION clipper/_core COMPONENT ${module})
endforeach()
