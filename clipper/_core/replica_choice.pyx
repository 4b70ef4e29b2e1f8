# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Which replica should have the next batch? The one that is predicted to be done first, idle or not.

Among idle ones it is the fastest per item: one that may take more at once is not the slower one for it. A busy one
counts with the rest of what it has in hand: if those that are busy will have done all that waits, and what comes until
then, before the idle one would be done with its part, waiting is better. So a replica that is three times slower than
its siblings idles under light load, and under heavy load serves a third of what each of them does.

The prediction of a replica that nobody has asked anything for long is believed less and less, so that it is measured
again: one unlucky batch must not idle it for good.
"""

import cython
from libc.math cimport ldexp

from clipper._core.in_flight cimport InFlightBatch, kNeverUs

cdef enum:
    HALF_LIFE_US = 2_000_000        # of a prediction nobody checks: a replica 3 times slower serves every 3 s or so
    OLDEST_HALVES = 60
    RETRY_US = 100                  # no sooner is a choice looked at again that waited for a replica that is late
    HEDGE_LATE_RATIO = 2            # a replica this much later than predicted gets nothing sent ahead


cdef bint is_known(FinishEstimate estimate) noexcept:
    return estimate.base_us > 0 or estimate.per_item_us > 0.0


cdef FinishEstimate believed(Replica replica, uint64_t now_us) noexcept:
    cdef FinishEstimate estimate = replica.finish_model.estimate()
    cdef uint64_t halves
    if replica.in_flight.empty() and now_us > replica.free_since_us + HALF_LIFE_US:
        halves = min((now_us - replica.free_since_us) // <uint64_t>HALF_LIFE_US, <uint64_t>OLDEST_HALVES)
        estimate.base_us >>= halves
        estimate.per_item_us = ldexp(estimate.per_item_us, -<int>halves)
    return estimate


cdef double items_within(FinishEstimate estimate, uint32_t size, double time_us) noexcept:
    """How many items a replica does in the time, in batches of `size` and a smaller one."""
    cdef double full_us = <double>estimate.base_us + estimate.per_item_us * size
    cdef double batches = time_us // full_us if full_us > 0.0 else 0.0
    cdef double rest_us = time_us - batches * full_us - <double>estimate.base_us
    if rest_us <= 0.0:
        return batches * size
    return batches * size + (min(rest_us / estimate.per_item_us, <double>size) if estimate.per_item_us > 0.0 else size)


@cython.final
cdef class ReplicaChoice:
    def __init__(self, double ahead_ratio):
        self.ahead_ratio = ahead_ratio

    cdef int choose(self, ModelRuntime model, uint64_t waiting, uint64_t now_us) except -1:
        cdef Replica replica
        self.replica = None
        self.again_us = 0
        self.start_us = now_us
        self.other_us = kNeverUs
        if model.ready_count > 1:
            return self.choose_of_several(model, waiting, now_us)
        for replica in model.replicas:
            if replica.ready:
                if not replica.in_flight.empty():
                    return self.choose_ahead(model, waiting, now_us)
                self.replica = replica
                self.size = replica.controller.next_size(now_us)
                self.estimate = replica.finish_model.estimate()
                return 0
        return 0

    cdef int choose_of_several(self, ModelRuntime model, uint64_t waiting, uint64_t now_us) except -1:
        cdef Replica replica
        cdef FinishEstimate estimate
        cdef double item_us, best_item_us = 0.0
        cdef uint32_t most
        cdef uint64_t size
        cdef bint one_is_busy = False
        for replica in model.replicas:
            if not replica.ready:
                continue
            if not replica.in_flight.empty():
                one_is_busy = True
                continue
            estimate = believed(replica, now_us)
            most = replica.controller.next_size(now_us)
            size = max(min(waiting, <uint64_t>most), <uint64_t>1)
            item_us = (<double>estimate.base_us + estimate.per_item_us * <double>size) / <double>size
            if self.replica is None or item_us < best_item_us:
                self.replica = replica
                self.size = most
                self.estimate = estimate
                best_item_us = item_us
        if self.replica is None:
            return self.choose_ahead(model, waiting, now_us)
        return self.weigh_busy_ones(model, waiting, now_us) if one_is_busy else 0

    cdef int weigh_busy_ones(self, ModelRuntime model, uint64_t waiting, uint64_t now_us) except -1:
        """Takes the choice of an idle one back if it is better to wait; what a busy one can still meet is its."""
        cdef Replica replica
        cdef FinishEstimate estimate
        cdef uint64_t free_us, next_us = kNeverUs
        cdef uint64_t finish_us = self.estimate.finish_us(now_us, min(waiting, <uint64_t>self.size))
        # What the busy ones have to do until then: what waits, and what still comes. Under overload admission keeps the
        # queue short, and the slow replica would seem to be needed never.
        cdef double work = <double>waiting + model.admission.rate_per_us() * <double>(finish_us - now_us)
        cdef double items = 0.0
        cdef uint32_t most
        for replica in model.replicas:
            if not replica.ready or replica.in_flight.empty():
                continue
            estimate = replica.finish_model.estimate()
            if not is_known(estimate):
                continue
            free_us = replica.predicted_free_us(now_us)
            most = replica.controller.next_size(now_us)
            self.other_us = min(self.other_us, estimate.finish_us(free_us, min(waiting, <uint64_t>most)))
            if free_us < finish_us:
                items += items_within(estimate, most, <double>(finish_us - free_us))
                next_us = min(next_us, free_us)
        if items >= work:
            self.replica = None
            self.again_us = max(next_us, now_us + <uint64_t>RETRY_US)
        return 0

    # -- ahead of the batch in service -------------------------------------------------------------------------------

    cdef int choose_ahead(self, ModelRuntime model, uint64_t waiting, uint64_t now_us) except -1:
        """All are busy: a second batch for one that would otherwise idle while messages are on their way."""
        cdef Replica replica
        cdef uint64_t free_us
        if self.ahead_ratio >= 1.0:
            return 0
        for replica in model.replicas:
            if not self.may_send_ahead(replica, waiting, now_us):
                continue
            free_us = replica.predicted_free_us(now_us)
            if self.replica is None or free_us < self.start_us:
                self.replica = replica
                self.start_us = free_us
        if self.replica is not None:
            self.size = self.replica.controller.next_size(now_us)
            self.estimate = self.replica.finish_model.estimate()
            self.other_us = now_us + 1          # what this batch cannot meet may still be met: nothing is dropped yet
        return 0

    cdef bint may_send_ahead(self, Replica replica, uint64_t waiting, uint64_t now_us) noexcept:
        cdef InFlightBatch* front
        if not replica.ready or replica.in_flight.size() != 1 or replica.rpc_us <= self.ahead_ratio * replica.batch_us:
            return False
        front = &replica.in_flight.front()
        # As large as the one in service, or full: else what would be one batch would go as two.
        if waiting < front.slots.size() and waiting < replica.controller.next_size(now_us):
            return False
        return not front.is_probe and replica.held_us(now_us) <= HEDGE_LATE_RATIO * front.predicted_us

    cdef Replica earliest(self, ModelRuntime model, Replica besides, uint64_t size, uint64_t now_us):
        cdef Replica replica, best = None
        cdef uint64_t finish_us, best_us = kNeverUs
        for replica in model.replicas:
            if replica is besides or not replica.ready or not replica.in_flight.has_room():
                continue
            if not replica.in_flight.empty() and replica.held_us(now_us) > replica.in_flight.front().predicted_us:
                continue                        # may be stuck itself
            finish_us = believed(replica, now_us).finish_us(replica.predicted_free_us(now_us), size)
            if finish_us < best_us:
                best, best_us = replica, finish_us
        return best
