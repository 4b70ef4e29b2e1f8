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

# Under pip, scikit-build-core puts UseCython on the module path; a bare `cmake` asks the interpreter for it.
include(UseCython OPTIONAL RESULT_VARIABLE use_cython)
if(NOT use_cython)
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -c "import cython_cmake, pathlib; print(pathlib.Path(cython_cmake.__file__).parent / 'cmake')"
    OUTPUT_VARIABLE cython_cmake_dir OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE cython_cmake_missing ERROR_QUIET)
  if(cython_cmake_missing)
    message(FATAL_ERROR "${Python_EXECUTABLE} has no cython-cmake: ${Python_EXECUTABLE} -m pip install cython cython-cmake")
  endif()
  list(APPEND CMAKE_MODULE_PATH "${cython_cmake_dir}")
  include(UseCython)
endif()
# `make build` makes its virtual environment with the build tools beside the interpreter.
get_filename_component(python_directory "${Python_EXECUTABLE}" DIRECTORY)
set(ENV{PATH} "${python_directory}:$ENV{PATH}")

foreach(module IN LISTS CLIPPER_CORE_MODULES)
  cython_transpile("clipper/_core/${module}.pyx" LANGUAGE CXX OUTPUT_VARIABLE source
                   CYTHON_ARGS "-I${CMAKE_CURRENT_SOURCE_DIR}")
  python_add_library(${module} MODULE "${source}" WITH_SOABI)
  target_link_libraries(${module} PRIVATE clipper_headers)
  # Only the module's init function is called from outside: hidden symbols keep the .so small and calls direct.
  set_target_properties(${module} PROPERTIES CXX_VISIBILITY_PRESET hidden)
  install(TARGETS ${module} DESTINATION clipper/_core COMPONENT ${module})
endforeach()
