# Hop 6 to 7: what the dispatcher decides becomes messages, answers and timers.
from clipper._core.dispatcher cimport BatchSink
from clipper._core.query_processor cimport QueryProcessor
from clipper._core.rpc_server cimport RpcServer


cdef class BatchSender(BatchSink):
    cdef QueryProcessor processor
    cdef RpcServer rpc
