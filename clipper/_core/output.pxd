# One model output, shared by reference count: see output.hpp.
from libc.stdint cimport uint32_t

cdef extern from "output.hpp" namespace "clipper" nogil:
    cdef cppclass Output:
        uint32_t references
        uint32_t bytes
        char* text                      # `bytes` bytes of JSON, not NUL-terminated
        Output* retain() noexcept
        void release() noexcept
        @staticmethod
        Output* create(const char* json, uint32_t bytes) except +
