# Hop 2 to 3 and 9: what an application asked for. A new snapshot makes new objects; plans change between two of them.
from libc.stdint cimport uint32_t, uint64_t

from clipper._core.context_plans cimport ContextPlans
from clipper._core.counters cimport ApplicationCounters
from clipper._core.decision_stream cimport DecisionStream
from clipper._core.input_spec cimport InputSpec
from clipper._core.plan cimport Plan
from clipper._core.predict_body cimport BodyLimits
from clipper._core.rate_window cimport RateWindow

cdef class ApplicationStats:
    # Figures of one application; they outlive the snapshots that it appears in.
    cdef readonly str name
    cdef ApplicationCounters counters
    cdef readonly uint64_t bad_requests
    cdef RateWindow[5] miss_windows         # by MissReason: how much was logged of late
    cdef RateWindow select_window           # of a policy that failed to select


cdef class Application:
    cdef readonly str name
    cdef InputSpec input_spec
    cdef BodyLimits body_limits
    cdef readonly uint64_t slo_us
    cdef readonly uint64_t max_slo_us       # ceiling of a query's own slo_us
    cdef readonly bytes default_output      # JSON text
    cdef bint answers_errors                # on_miss = "error"
    cdef bint use_cache
    cdef uint64_t cache_ttl_us              # 0 = entries do not expire
    cdef uint32_t cache_tag                 # what of the application stands in the cache key
    cdef readonly Plan plan                 # None: no model is linked
    cdef readonly ContextPlans contexts     # of queries that name a context; None: all have the same plan
    cdef readonly bint learns               # from feedback: what its queries were told is remembered
    cdef readonly DecisionStream decisions  # what of them is wanted; None: it does not learn
    cdef readonly Plan arms_plan            # asks every arm: for feedback by input; None: no model is linked
    cdef readonly uint64_t feedback_deadline_us     # of such feedback
    cdef readonly dict version_plans        # version -> Plan, for queries that name one; None with several models
    cdef readonly tuple linked_models       # names, in link order
    cdef readonly ApplicationStats stats
