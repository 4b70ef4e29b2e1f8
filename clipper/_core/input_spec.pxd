# What an application accepts: see input_spec.hpp.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libcpp.vector cimport vector

cdef extern from "input_spec.hpp" namespace "clipper" nogil:
    cdef enum class InputType(uint8_t):
        Integers, Floats, Doubles, Strings, Bytes, Tensor

    cdef enum class DType(uint8_t):
        # "None" is a Python keyword: Cython code never needs that value
        Int8, UInt8, Int16, UInt16, Int32, UInt32, Int64, UInt64, Float16, Float32, Float64, Bool, Bytes, String, Json

    cdef cppclass InputSpec:
        InputType type
        DType dtype
        uint64_t element_count          # elements of one input; 0 = any length
        vector[uint64_t] shape          # empty unless declared

    uint32_t dtype_bytes(DType dtype) noexcept


# From the names of the registry; InvalidArgumentError if they do not fit together.
cdef InputSpec make_input_spec(str input_type, object dtype, object shape) except *
