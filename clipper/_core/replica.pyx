# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""One running container of a model version, as the worker that owns it sees it."""

import cython


@cython.final
cdef class Replica:
    def __init__(self, str replica_id, str nonce, bytes identity, object model, object session, controller, finish_model):
        self.replica_id = replica_id
        self.nonce = nonce
        self.identity = identity
        self.model = model
        self.session = session
        self.controller = controller
        self.finish_model = finish_model

    @property
    def is_ready(self):
        """Whether it may be given a batch."""
        return self.ready

    @property
    def in_flight(self):
        """Queries in the batch in service; 0 when idle."""
        return self.slots.size() if self.busy else 0

    @property
    def batch_size_cap(self):
        """Largest batch that its controller would send now."""
        return self.controller.next_size(0)
