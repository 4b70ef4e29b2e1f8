# cython: language_level=3, boundscheck=False, wraparound=False
"""The plans of single contexts (a user, a session), in a bounded table; see context_table.hpp."""

import cython
from cpython.ref cimport Py_DECREF, Py_INCREF

DEFAULT_MAX_CONTEXTS = 10_000


cdef int can_be_asked(void* plan, void* known) noexcept:
    """Whether a plan's models, and its shadows, are all in the two sets."""
    cdef set arms = <set>(<tuple>known)[0]
    cdef set shadows = <set>(<tuple>known)[1]
    return arms.issuperset((<Plan>plan).models) and shadows.issuperset((<Plan>plan).shadows)


@cython.final
cdef class ContextPlans:
    def __cinit__(self, uint64_t max_contexts=DEFAULT_MAX_CONTEXTS):
        self.table = new ContextTable(max_contexts)
        self.max_contexts = max_contexts

    def __dealloc__(self):
        cdef void* plan
        if self.table == NULL:
            return
        while True:
            plan = self.table.take_last()
            if plan == NULL:
                break
            Py_DECREF(<object>plan)
        del self.table

    cdef Plan find(self, const string& context):
        cdef void* plan = self.table.find(context)
        return None if plan == NULL else <Plan>plan

    cdef int forget(self, void* plan) except -1:
        if plan != NULL:
            Py_DECREF(<object>plan)
        return 0

    def put(self, str context not None, Plan plan):
        cdef string key = context.encode()
        if plan is None:
            self.forget(self.table.remove(key))
            return
        Py_INCREF(plan)
        try:
            self.forget(self.table.put(key, <void*>plan))
        except MemoryError:
            Py_DECREF(plan)
            raise

    def get(self, str context not None):
        cdef string key = context.encode()
        return self.find(key)

    def keep_only(self, set arms not None, set shadows not None):
        cdef tuple known = (arms, shadows)
        cdef vector[void*] dropped
        cdef void* plan
        self.table.sift(can_be_asked, <void*>known, dropped)
        for plan in dropped:
            self.forget(plan)
        return dropped.size()

    def resize(self, uint64_t max_contexts):
        self.max_contexts = max_contexts
        self.table.set_limit(max_contexts)
        while self.table.is_over():
            self.forget(self.table.take_last())

    def __len__(self):
        return self.table.size()

    @property
    def evictions(self):
        return self.table.evictions()
