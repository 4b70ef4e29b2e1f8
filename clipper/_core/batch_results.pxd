# Hops 7 to 9: what becomes of a batch when its replica answers, fails, or is lost.
from libc.stdint cimport uint32_t, uint64_t
from libcpp.vector cimport vector

from clipper._core.in_flight cimport InFlightBatch
from clipper._core.query_processor cimport QueryProcessor
from clipper._core.replica cimport Replica
from clipper._core.rpc_server cimport ReplicaEvents


cdef class BatchResults(ReplicaEvents):
    cdef QueryProcessor processor
    cdef object lookup                      # (name, version) -> ModelRuntime or None
    cdef vector[uint32_t] slots             # of the batch being answered
    cdef int take_batch(self, Replica replica, InFlightBatch* batch, uint64_t compute_us, uint64_t now_us) except -1
    cdef int end_probe(self, Replica replica, InFlightBatch* batch, str cause, uint64_t now_us) except -1
    cdef int ends(self, Replica replica, uint64_t batch_id) except -1
