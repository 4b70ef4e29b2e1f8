# Hop 3: the plans of single contexts, in a bounded table.
from libc.stdint cimport uint64_t
from libcpp.string cimport string
from libcpp.vector cimport vector

from clipper._core.plan cimport Plan

cdef extern from "context_table.hpp" namespace "clipper":
    cppclass ContextTable:
        ContextTable(uint64_t) except +
        void* find(const string&)
        void* put(const string&, void*) except +
        void* remove(const string&)
        void* take_last()
        void sift(int (*is_kept)(void*, void*) noexcept, void*, vector[void*]&) except +
        void set_limit(uint64_t)
        bint is_over()
        uint64_t size()
        uint64_t evictions()


cdef class ContextPlans:
    cdef ContextTable* table            # of Plan objects, each an owned reference
    cdef readonly uint64_t max_contexts

    cdef Plan find(self, const string& context)     # None: it has none of its own
    cdef int forget(self, void* plan) except -1
