# Hop 7: sessions with containers, batches out, results in.
from libc.stdint cimport uint64_t
from libcpp.string cimport string
from libcpp.vector cimport vector

from clipper._core.in_flight cimport InFlightBatch
from clipper._core.model_runtime cimport ModelRuntime
from clipper._core.replica cimport Replica
from clipper._core.rpc_codec cimport ItemResult, RpcHeader
from clipper._core.rpc_sender cimport RpcSender
from clipper._core.rpc_transport cimport RpcTransport

cdef class ReplicaEvents:
    # What the owner of the queries is told. Implemented by the query processor.
    cdef int on_batch_result(self, Replica replica, InFlightBatch* batch, vector[ItemResult]& items,
                             uint64_t compute_us, uint64_t now_us) except -1
    cdef int on_batch_failed(self, Replica replica, InFlightBatch* batch, const string& cause,
                             uint64_t compute_us, uint64_t now_us) except -1
    cdef int on_replica_loaded(self, Replica replica, uint64_t now_us) except -1    # WARMING: send it the sample
    cdef int on_replica_ready(self, Replica replica, uint64_t now_us) except -1
    cdef int on_replica_lost(self, Replica replica, uint64_t now_us) except -1
    cdef ModelRuntime find_model(self, str name, str version)
    cdef int on_messages_done(self, uint64_t now_us) except -1      # after the last message of a wake-up: flush


cdef class RpcServer(RpcSender):
    cdef ReplicaEvents events
    cdef object listener                    # called with (replica_id, model, version, state, reason) at every change
    # sessions
    cdef readonly dict replicas_by_id       # replica_id -> Replica
    cdef readonly uint64_t heartbeat_interval_us
    cdef readonly uint64_t heartbeat_timeout_us
    cdef public uint64_t overdue_floor_us   # no batch is overdue before
    # reuse
    cdef vector[ItemResult] items
    # counters
    cdef readonly uint64_t protocol_errors
    cdef readonly uint64_t late_results

    cdef int refuse_message(self, RpcTransport transport, bytes identity, Replica replica, str cause,
                            uint64_t now_us) except -1
    # sessions
    cdef int handle_stranger(self, RpcTransport transport, bytes identity, RpcHeader& header, uint64_t now_us) except -1
    cdef int register(self, RpcTransport transport, bytes identity, object who, uint64_t now_us) except -1
    cdef int handle_known(self, Replica replica, RpcHeader& header, uint64_t now_us) except -1
    cdef int step(self, Replica replica, int event, str reason) except -1
    cdef bint is_overdue(self, Replica replica, uint64_t now_us) noexcept
    cdef int judge(self, Replica replica, uint64_t now_us) except -1
    cdef int end_probe(self, Replica replica, str cause, uint64_t now_us) except -1
    cdef int lose(self, Replica replica, str reason, uint64_t now_us) except -1
    cdef int drain(self, Replica replica) except -1
    cdef int drain_waiting(self, ModelRuntime model) except -1
    # results
    cdef int handle_result(self, Replica replica, RpcHeader& header, uint64_t now_us) except -1
    cdef int handle_batch_error(self, Replica replica, RpcHeader& header, uint64_t now_us) except -1
    cdef int ignore_result(self, Replica replica, uint64_t now_us) noexcept
    cdef int handle_session_error(self, Replica replica, uint64_t now_us) except -1
