# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A frontend without sockets and without a clock, for bench.simulate.

It stands where `QueryProcessor` stands in the product, between arrivals and the dispatcher. Slots, queue, admission,
dispatcher, controllers and finish models are the product's own; what is missing is HTTP, the cache, ensembles and the
RPC, whose time the simulated world adds. Compiled, because a simulated second holds tens of thousands of queries.
"""

import cython
from cython.operator cimport dereference
from libc.stdint cimport int64_t

from clipper._core.batch_queue cimport BatchQueue
from clipper._core.in_flight cimport InFlightBatch, kAnswered
from clipper._core.replica cimport Replica

from clipper.errors import InvalidArgumentError

cdef enum:
    COMPACT_AT = 65_536                 # tasks passed before their memory is reused


@cython.final
cdef class SimulatedFrontend(BatchSink):
    def __init__(self, *, uint64_t slo_us, uint64_t reply_margin_us=500, uint32_t slot_count=16_384,
                 uint64_t interval_us=100_000, bint admission=True):
        if slo_us <= reply_margin_us or interval_us == 0:
            raise InvalidArgumentError(
                f"slo_us must exceed reply_margin_us, and interval_us zero: {slo_us}, {reply_margin_us}, {interval_us}")
        self.slots = SlotPoolHandle(slot_count, 64 * slot_count)
        self.pool = self.slots.pool
        self.dispatcher = Dispatcher(self.slots, self, admission=admission)
        self.model = ModelRuntime("simulated", "1", 1, BatchQueue([self.slots]), input_type="doubles")
        self.slo_us = slo_us
        self.patience_us = slo_us - reply_margin_us
        self.interval_us = interval_us
        self.arrival_us.resize(slot_count)
        self.serials.resize(slot_count)
        self.sent = []
        self.latency_us = Histogram()

    # -- what the dispatcher asks for ----------------------------------------------------------------------------------

    cdef int send(self, ModelRuntime model, Replica replica, InFlightBatch* batch, uint64_t now_us) except -1:
        self.sent.append((replica, batch.id, batch.slots.size(), now_us))
        return 0

    cdef int drop(self, uint32_t slot, uint64_t now_us) except -1:
        self.tally(self.arrival_us[slot]).dropped += 1
        self.pool.release(slot)
        return 0

    cdef int wake_at(self, ModelRuntime model, uint64_t at_us) except -1:
        self.wishes.insert(at_us)
        return 0

    # -- what the world does -------------------------------------------------------------------------------------------

    def advance(self, const uint64_t[::1] times_us, size_t begin, uint64_t until_us):
        """Lets queries arrive, up to a time or until the world has something to do; returns the first that has not."""
        cdef size_t index = begin
        cdef size_t count = <size_t>times_us.shape[0]
        while index < count and times_us[index] <= until_us:
            if not self.wishes.empty() and times_us[index] >= dereference(self.wishes.begin()):
                break
            self.arrive(times_us[index])
            index += 1
            if self.sent:
                break
        return index

    def wake(self, uint64_t now_us):
        """Does what the dispatcher wished for by now."""
        while not self.wishes.empty() and dereference(self.wishes.begin()) <= now_us:
            self.wishes.erase(self.wishes.begin())
        self.expire(now_us)
        self.dispatcher.dispatch(self.model, now_us)

    def finish(self, Replica replica, uint64_t batch_id, uint64_t compute_us, uint64_t now_us):
        """A batch has been answered."""
        cdef vector[uint32_t] slots
        cdef uint32_t slot
        cdef uint64_t waited_us
        cdef InFlightBatch* batch = replica.in_flight.find(batch_id)
        self.expire(now_us)
        if batch == NULL:
            return
        self.dispatcher.take_result(replica, batch, compute_us, now_us, slots)
        for slot in slots:
            if slot == kAnswered:
                continue
            waited_us = now_us - self.arrival_us[slot]
            if waited_us <= self.patience_us:
                self.tally(self.arrival_us[slot]).in_time += 1
                self.latency_us.data.record(waited_us)
            else:
                self.tally(self.arrival_us[slot]).late += 1
            self.pool.release(slot)

    def take_sent(self):
        """What was sent since the last call: (replica, batch id, size, when)."""
        sent = self.sent
        self.sent = []
        return sent

    @property
    def next_wake_us(self):
        """When `wake` is to be called; None = the dispatcher waits for nothing but arrivals and results."""
        return None if self.wishes.empty() else dereference(self.wishes.begin())

    @property
    def outcomes(self):
        """For each interval of arrival: (offered, in time, late, dropped, expired, refused)."""
        return [(t.offered, t.in_time, t.late, t.dropped, t.expired, t.refused) for t in self.tallies]

    # -- queries -------------------------------------------------------------------------------------------------------

    cdef Tally* tally(self, uint64_t arrival_us) except NULL:
        cdef size_t interval = arrival_us // self.interval_us
        if interval >= self.tallies.size():
            self.tallies.resize(interval + 1)
        return &self.tallies[interval]

    cdef int arrive(self, uint64_t now_us) except -1:
        cdef int64_t slot
        cdef PushedTask task
        cdef Tally* tally = self.tally(now_us)
        self.expire(now_us)
        tally.offered += 1
        if not self.dispatcher.admits(self.model, now_us + self.patience_us, now_us):
            tally.refused += 1
            return 0
        slot = self.pool.acquire(8)
        if slot < 0:
            tally.refused += 1
            return 0
        self.arrival_us[slot] = now_us
        self.pool.set_deadlines(<uint32_t>slot, now_us + self.patience_us, now_us + self.patience_us)
        if self.model.queue.push(<uint32_t>slot, self.slo_us) != 0:
            self.pool.release(<uint32_t>slot)
            tally.refused += 1
            return 0
        self.model.admission.pushed()
        self.next_serial += 1
        self.serials[slot] = self.next_serial
        task.slot = <uint32_t>slot
        task.serial = self.next_serial
        self.pushed.push_back(task)
        return self.dispatcher.dispatch(self.model, now_us)

    cdef int expire(self, uint64_t now_us) except -1:
        """Ends what is still queued at its deadline, as the deadline timer does; what is in flight goes on."""
        cdef PushedTask task
        while self.oldest < self.pushed.size():
            task = self.pushed[self.oldest]
            if self.serials[task.slot] == task.serial:
                if self.arrival_us[task.slot] + self.patience_us > now_us:
                    break
                if self.model.queue.withdraw(task.slot) == 0:
                    self.tally(self.arrival_us[task.slot]).expired += 1
                    self.pool.release(task.slot)
            self.oldest += 1
        if self.oldest >= COMPACT_AT:
            self.pushed.erase(self.pushed.begin(), self.pushed.begin() + self.oldest)
            self.oldest = 0
        return 0
