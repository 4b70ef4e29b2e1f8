// A connection of the query port under the fuzzer: an interpreter with the compiled HTTP modules, which are built with
// the fuzzer's counters into CLIPPER_FUZZ_MODULES. tests/fuzz/http_target.py says what is fed and what must hold.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "fuzz_target.hpp"

namespace {

PyObject* run_one = nullptr;

void stop(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  if (PyErr_Occurred() != nullptr) PyErr_Print();
  std::abort();
}

void start_interpreter() {
  PyConfig config;
  PyConfig_InitPythonConfig(&config);
  config.install_signal_handlers = 0;
  config.parse_argv = 0;
  // So that the packages of the virtual environment are found.
  PyStatus status = PyConfig_SetBytesString(&config, &config.executable, CLIPPER_PYTHON);
  if (!PyStatus_Exception(status)) status = Py_InitializeFromConfig(&config);
  PyConfig_Clear(&config);
  if (PyStatus_Exception(status)) Py_ExitStatusException(status);
  PyObject* module = PyImport_ImportModule("tests.fuzz.http_target");
  if (module == nullptr) stop("tests.fuzz.http_target cannot be imported (PYTHONPATH?)");
  run_one = PyObject_GetAttrString(module, "run_one");
  if (run_one == nullptr) stop("tests.fuzz.http_target has no run_one");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  if (run_one == nullptr) start_interpreter();
  PyObject* result = PyObject_CallFunction(run_one, "y#", reinterpret_cast<const char*>(data), static_cast<Py_ssize_t>(bytes));
  if (result == nullptr) stop("the HTTP server broke a promise:");
  Py_DECREF(result);
  return 0;
}
