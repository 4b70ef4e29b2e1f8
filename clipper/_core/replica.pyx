# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""One running container of a model version, as the worker that owns it sees it."""

import cython
from libc.stdint cimport uint64_t

from clipper._core.rpc_session import SessionState
from clipper._core.rpc_session cimport STATE_AWAITING_REGISTER


@cython.final
cdef class Replica:
    def __init__(self, str replica_id, str nonce, object transport, bytes identity, object model, controller,
                 finish_model):
        self.replica_id = replica_id
        self.nonce = nonce
        self.transport = transport
        self.identity = identity
        self.model = model
        self.session_state = STATE_AWAITING_REGISTER
        self.controller = controller
        self.finish_model = finish_model

    @property
    def state(self):
        """The session's state in the words of the control channel: "loading", "ready", ..."""
        return SessionState(self.session_state).name.lower()

    @property
    def is_ready(self):
        """Whether it may be given a batch."""
        return self.ready

    cdef uint64_t service_start_us(self, InFlightBatch* batch) noexcept:
        return max(batch.sent_us, self.free_since_us)

    cdef uint64_t held_us(self, uint64_t now_us) noexcept:
        cdef uint64_t since_us
        if self.in_flight.empty():
            return 0
        since_us = self.service_start_us(&self.in_flight.front())
        return now_us - since_us if now_us > since_us else 0

    @property
    def items_in_flight(self):
        """Queries in the batches that it has in hand; 0 when idle."""
        return self.in_flight.item_count()

    @property
    def batches_in_flight(self):
        """Batches that it has in hand: none, one in service, or one more that was sent ahead."""
        return self.in_flight.size()
