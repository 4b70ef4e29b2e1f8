# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A model version on this worker: its batch queue, its replicas and its figures."""

import json

import cython

from clipper._core.batch_size cimport AimdBatchSize, FixedBatchSize
from clipper._core.counters cimport export_model
from clipper._core.in_flight cimport kNeverUs
from clipper._core.input_spec cimport make_input_spec
from clipper._core.quantile_size cimport QuantileBatchSize
from clipper._core.replica cimport Replica

DEFAULT_MAX_BATCH_SIZE = 4096
UNLINKED_SLO_US = 100_000


@cython.final
cdef class ModelRuntime:
    def __init__(self, str name, str version, uint64_t uid, BatchQueue queue, *, str input_type):
        self.name = name
        self.version = version
        cdef bytes quoted = json.dumps(f"{name}:{version}").encode()
        self.label = quoted[1:len(quoted) - 1]
        self.uid = uid
        self.queue = queue
        self.replicas = []
        self.hedge_us = self.wake_us = kNeverUs
        self.input_type = input_type
        self.controller_name = "aimd"
        self.max_batch_size = DEFAULT_MAX_BATCH_SIZE
        if input_type == "tensor":             # what it really is, the linked application says: configure_tensor
            self.input_spec = make_input_spec(input_type, "float64", (1,))
        else:
            self.input_spec = make_input_spec(input_type, None, None)

    def configure(self, *, str controller, uint32_t batch_size, uint32_t max_batch_size, uint64_t slo_us):
        """Sets the batching options; replicas that are there take them over.

        Parameters
        ----------
        controller : str
            "aimd", "quantile" or "fixed".
        batch_size : int
            Size of "fixed"; 0 = 1.
        max_batch_size : int
            Ceiling of the others; 0 = 4096.
        slo_us : int
            The smallest SLO of the applications linked to the model; 0 = not linked.
        """
        cdef Replica replica
        options = (controller, batch_size, max_batch_size if max_batch_size else DEFAULT_MAX_BATCH_SIZE,
                   slo_us if slo_us else UNLINKED_SLO_US)
        before = (self.controller_name, self.batch_size, self.max_batch_size, self.slo_us)
        if options == before:
            return
        self.controller_name, self.batch_size, self.max_batch_size, self.slo_us = options
        for replica in self.replicas:
            if options[:3] != before[:3]:
                replica.controller = self.new_controller()
            else:                   # a link that came or went under load: what was learned of the model still holds
                replica.controller.set_target(self.slo_us, 0)

    def configure_tensor(self, dtype, shape):
        """Sets the element type and shape that the linked application declares."""
        self.input_spec = make_input_spec(self.input_type, dtype, shape)

    def configure_probe(self, bytes data, bint must_succeed):
        """Sets the sample that every replica evaluates before it gets a query.

        Parameters
        ----------
        data : bytes or None
            One input, as `predict_body` lays it out; None: no sample.
        must_succeed : bool
            Whether a replica that cannot evaluate it is refused; else it only had the chance to warm up.

        Returns
        -------
        bool
            Whether there was none before: replicas that are ready have not been warmed then.
        """
        cdef bint is_first = self.probe is None and data is not None
        self.probe = data
        self.probe_must_succeed = must_succeed
        return is_first

    cdef BatchSizeController new_controller(self):
        """A controller for a new replica, or for new options.

        It observes batches from send to result, the RPC's share included: its target is thereby less the overhead that
        each batch really had, and nothing is left to subtract.
        """
        if self.controller_name == "fixed":
            return FixedBatchSize(self.batch_size if self.batch_size else 1)
        if self.controller_name == "quantile":
            return QuantileBatchSize(self.slo_us, max_size=self.max_batch_size)
        return AimdBatchSize(self.slo_us, max_size=self.max_batch_size)

    @property
    def model_id(self):
        """``name:version``."""
        return f"{self.name}:{self.version}"

    @property
    def ready_replicas(self):
        """Replicas that may be given a batch."""
        return self.ready_count

    @property
    def queue_depth(self):
        """Tasks that wait for a replica."""
        return self.queue.depth()

    def figures(self):
        """Every counter and histogram of this model version, as plain values."""
        figures = export_model(&self.counters)
        figures["cache_hits"] = self.cache_hits
        figures["cache_joins"] = self.cache_joins
        figures["cache_misses"] = self.cache_misses
        figures["refused"] = self.refused
        return figures
