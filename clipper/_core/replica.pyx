# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""One running container of a model version, as the worker that owns it sees it."""

import cython

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

    @property
    def in_flight(self):
        """Queries in the batch in service; 0 when idle."""
        return self.slots.size() if self.busy else 0
