# Hop 5 to 6: a model version on this worker: its batch queue, its replicas, its figures.
from libc.stdint cimport uint32_t, uint64_t

from clipper._core.admission cimport Admission
from clipper._core.batch_queue cimport BatchQueue
from clipper._core.batch_size cimport BatchSizeController
from clipper._core.counters cimport ModelCounters
from clipper._core.input_spec cimport InputSpec
from clipper._core.recent_peak cimport RecentPeak
from clipper._core.straggler cimport HedgeBudget


cdef class ModelRuntime:
    # who it is
    cdef readonly str name
    cdef readonly str version
    cdef readonly bytes label               # JSON-escaped "name:version"
    cdef readonly str input_type
    cdef InputSpec input_spec               # element type and shape of what it is sent
    cdef uint64_t uid                       # part of the cache key; never reused, so that no stale output is found
    # where its tasks wait and who evaluates them
    cdef readonly BatchQueue queue
    cdef readonly list replicas
    cdef uint32_t ready_count
    cdef bint dirty                         # stands in the processor's list of models to dispatch at the turn's end
    cdef uint32_t kept_count                # its tasks that nobody need wait for
    cdef bint retired                       # left the routing snapshot: takes no new tasks, answers those it has
    # the sample that a replica evaluates before it gets a query; None: it gets queries when it is loaded
    cdef readonly bytes probe               # one input, as the containers get it
    cdef readonly bint probe_must_succeed   # a replica that fails it is refused
    # batching options
    cdef public str controller_name         # "aimd", "quantile" or "fixed"
    cdef public uint32_t batch_size         # of "fixed"
    cdef public uint32_t max_batch_size
    cdef public uint64_t slo_us             # the smallest SLO of the applications linked to it
    # dispatch; all of it the dispatcher's
    cdef Admission admission                # what a task is let in by
    cdef HedgeBudget hedge_budget
    cdef RecentPeak peak                    # of its tasks, waiting and in flight
    cdef uint64_t waits_since_us            # a batch waits to grow; 0 = none
    cdef uint64_t hedge_us                  # when the next of its batches counts as stuck; 2**64-1 = none
    cdef uint64_t wake_us                   # when it wants to be dispatched; 2**64-1 = no wish
    # figures
    cdef ModelCounters counters
    cdef readonly uint64_t cache_hits
    cdef readonly uint64_t cache_joins
    cdef readonly uint64_t cache_misses
    cdef readonly uint64_t refused          # tasks for which no slot or no place in the queue was left

    cdef BatchSizeController new_controller(self)
