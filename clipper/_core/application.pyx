# cython: language_level=3, boundscheck=False, wraparound=False
"""What an application asked for, in the form that the data path reads."""

import cython

from clipper._core.counters cimport export_application
from clipper._core.predict_body cimport DType, InputType

# The values stand in input_spec.hpp and in the wire schema.
INPUT_TYPES = {"integers": 1, "floats": 2, "doubles": 3, "strings": 4, "bytes": 5, "tensor": 6}
DTYPES = {
    "int8": 1, "uint8": 2, "int16": 3, "uint16": 4, "int32": 5, "uint32": 6, "int64": 7, "uint64": 8,
    "float16": 9, "float32": 10, "float64": 11, "bool": 12, "bytes": 13, "string": 14,
}
_DTYPE_OF_TYPE = {"integers": "int32", "floats": "float32", "doubles": "float64", "strings": "string", "bytes": "bytes"}


@cython.final
cdef class ApplicationStats:
    def __init__(self, str name):
        self.name = name

    def figures(self):
        """Every counter and histogram of this application, as plain values."""
        figures = export_application(&self.counters)
        figures["bad_requests"] = self.bad_requests
        return figures


@cython.final
cdef class Application:
    def __init__(self, str name, *, str input_type, uint64_t slo_us, bytes default_output, ApplicationStats stats,
                 Plan plan=None, dict version_plans=None, tuple linked_models=(), dtype=None, shape=None,
                 uint64_t max_slo_us=0, str on_miss="default", bint use_cache=True, uint64_t cache_ttl_us=0,
                 uint64_t max_items=4096):
        cdef uint64_t count = 1
        if on_miss not in ("default", "error"):
            raise ValueError(f"on_miss of application {name!r} is {on_miss!r}: expected 'default' or 'error'")
        self.name = name
        self.input_spec.type = <InputType><unsigned char>INPUT_TYPES[input_type]
        self.input_spec.dtype = <DType><unsigned char>DTYPES[dtype or _DTYPE_OF_TYPE[input_type]]
        if shape is not None:
            for extent in shape:
                self.input_spec.shape.push_back(extent)
                count *= extent
            self.input_spec.element_count = count
        self.body_limits.max_items = max_items
        self.slo_us = slo_us
        self.max_slo_us = max_slo_us if max_slo_us else slo_us
        self.default_output = default_output
        self.answers_errors = on_miss == "error"
        self.use_cache = use_cache
        self.cache_ttl_us = cache_ttl_us
        self.plan = plan
        self.version_plans = version_plans
        self.linked_models = linked_models
        self.stats = stats
