# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""One running container of a model version, as the worker that owns it sees it."""

import cython
from libc.math cimport fabs
from libc.stdint cimport uint64_t

from clipper._core.rpc_session import SessionState
from clipper._core.rpc_session cimport STATE_AWAITING_REGISTER


cdef double NEWEST_RATIO = 0.1      # weight of the newest batch in a mean
cdef double WORST_ERROR = 0.25      # a batch that is stuck says little about the error of the others


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

    cdef uint64_t service_us(self, InFlightBatch* batch, uint64_t now_us) noexcept:
        cdef uint64_t start_us = self.service_start_us(batch)
        return now_us - start_us if now_us > start_us else 0

    cdef void measure_error(self, uint64_t duration_us, uint64_t predicted_us) noexcept:
        cdef double error
        if predicted_us > 0:
            error = min(fabs(<double>duration_us / <double>predicted_us - 1.0), WORST_ERROR)
            self.error_ratio += NEWEST_RATIO * (error - self.error_ratio)

    cdef void measure_rpc(self, uint64_t rpc_us, uint64_t duration_us) noexcept:
        self.rpc_us += NEWEST_RATIO * (<double>rpc_us - self.rpc_us)
        self.batch_us += NEWEST_RATIO * (<double>duration_us - self.batch_us)

    cdef uint64_t predicted_free_us(self, uint64_t now_us) noexcept:
        cdef uint64_t end_us
        if self.in_flight.empty():
            return now_us
        end_us = self.service_start_us(&self.in_flight.front()) + self.in_flight.front().predicted_us
        if end_us < now_us:                     # late by so much: as much again may be expected
            end_us = now_us + (now_us - end_us)
        if self.in_flight.size() > 1:
            end_us += self.in_flight.at(1).predicted_us
        return end_us

    cdef uint64_t held_us(self, uint64_t now_us) noexcept:
        return 0 if self.in_flight.empty() else self.service_us(&self.in_flight.front(), now_us)

    @property
    def items_in_flight(self):
        """Queries in the batches that it has in hand; 0 when idle."""
        return self.in_flight.item_count()

    @property
    def batches_in_flight(self):
        """Batches that it has in hand: none, one in service, or one more that was sent ahead."""
        return self.in_flight.size()
