# cython: language_level=3, boundscheck=False, wraparound=False
"""What an application asked for, in the form that the data path reads."""

from zlib import crc32

import cython

from clipper._core.counters import MISS_REASONS as _MISS_REASONS
from clipper._core.counters cimport export_application
from clipper._core.input_spec cimport make_input_spec


@cython.final
cdef class ApplicationStats:
    def __init__(self, str name):
        self.name = name

    def figures(self):
        """Every counter and histogram of this application, as plain values."""
        figures = export_application(&self.counters)
        figures["bad_requests"] = self.bad_requests
        return figures

    def take_suppressed(self, uint64_t now_us):
        """How many misses went unlogged, by reason, of seconds that are over; they are told once."""
        cdef int index
        return {
            reason: self.miss_windows[index].take_suppressed()
            for index, reason in enumerate(_MISS_REASONS) if self.miss_windows[index].is_over(now_us)
        }


@cython.final
cdef class Application:
    def __init__(self, str name, *, str input_type, uint64_t slo_us, bytes default_output, ApplicationStats stats,
                 Plan plan=None, dict version_plans=None, tuple linked_models=(), dtype=None, shape=None,
                 uint64_t max_slo_us=0, str on_miss="default", bint use_cache=True, uint64_t cache_ttl_us=0,
                 uint64_t max_items=4096, bint learns=False, ContextPlans contexts=None,
                 DecisionStream decisions=None, Plan arms_plan=None, uint64_t feedback_deadline_us=1_000_000):
        if on_miss not in ("default", "error"):
            raise ValueError(f"on_miss of application {name!r} is {on_miss!r}: expected 'default' or 'error'")
        self.name = name
        self.input_spec = make_input_spec(input_type, dtype, shape)
        self.body_limits.max_items = max_items
        self.slo_us = slo_us
        self.max_slo_us = max_slo_us if max_slo_us else slo_us
        self.default_output = default_output
        self.answers_errors = on_miss == "error"
        self.use_cache = use_cache
        self.cache_ttl_us = cache_ttl_us
        # One model may serve several applications, which share its outputs; but not with another reading of the same
        # bytes (dtype, a tensor's shape), nor with an application that lets outputs grow older.
        reading = (<int>self.input_spec.dtype, tuple(shape or ()) if input_type == "tensor" else (), cache_ttl_us)
        self.cache_tag = <uint32_t>crc32(repr(reading).encode())
        self.plan = plan
        self.version_plans = version_plans
        self.linked_models = linked_models
        self.stats = stats
        self.learns = learns or decisions is not None
        self.decisions = decisions
        self.arms_plan = arms_plan
        self.feedback_deadline_us = feedback_deadline_us
        self.contexts = contexts

    def set_plan(self, Plan plan not None):
        self.plan = plan

    def set_context_plan(self, str context not None, Plan plan):
        if self.contexts is None:
            raise ValueError(f"application {self.name!r} has no plans by context")
        self.contexts.put(context, plan)
