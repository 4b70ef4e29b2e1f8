# Hop 7, outwards: what RpcServer sends, over whatever transport a container has connected to.
from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libcpp.vector cimport vector

from clipper._core.in_flight cimport InFlightBatch
from clipper._core.replica cimport Replica
from clipper._core.rpc_codec cimport FrameView, PredictLayout
from clipper._core.rpc_transport cimport MessageHandler, RpcTransport
from clipper._core.slot_pool cimport SlotPool


cdef class RpcSender(MessageHandler):
    cdef readonly list transports
    # reuse
    cdef vector[uint64_t] item_bytes
    cdef PredictLayout layout
    cdef vector[FrameView] heads
    cdef vector[FrameView] payload

    cdef int catch_up(self, uint64_t now_us) except -1
    cdef int send_control(self, RpcTransport transport, bytes identity, uint8_t kind, uint16_t code,
                          bytes text) except -1
    cdef int send_batch(self, Replica replica, InFlightBatch* batch, SlotPool* pool, uint64_t now_us) except -1
    cdef int add_head(self, const char* data, size_t size) except -1
