# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""From when on a replica is taken for broken: times in, verdicts out.

A replica shows signs of life five times a second, from a thread of its own while the model computes. But a model may
hold the interpreter, and then its replica is silent for as long as its batch takes: so the silence of a busy replica is
measured by what its batch is predicted to take. A first batch may compile the model: it has a limit of its own.

Who judges may be at fault himself: a process that was stopped, swapped out or starved finds everybody silent. What its
own looks come late is therefore taken off every silence and every duration (the local health of Dadgar, Phillips and
Currey, *Lifeguard*, DSN 2018, without its multiplier).
"""

from cython cimport final
from libc.stdint cimport uint32_t

from clipper._core.finish_model cimport FinishModel
from clipper.errors import InvalidArgumentError

DEFAULT_LOOK_INTERVAL_US = 100_000
DEFAULT_SILENCE_LIMIT_US = 700_000         # with a look every 100 ms, suspicion comes within 0.8 s
DEFAULT_OVERDUE_FLOOR_US = 700_000
DEFAULT_FIRST_BATCH_LIMIT_US = 10_000_000
GONE_SILENCE_US = 30_000_000               # a suspect that is heard of before may go on where it was
# FinishModel takes what is three times slower than predicted for chance; five times is none. Hedging has acted before.
OVERDUE_RATIO = 5
SLOWEST_RATIO = 2                          # of what was overdue once and came all the same

cdef uint64_t GONE_US = GONE_SILENCE_US
cdef uint64_t OVERDUE = OVERDUE_RATIO
cdef uint64_t SLOWEST = SLOWEST_RATIO
cdef uint64_t LONGEST_US = 1 << 62         # no limit is beyond: sums of two stay in 64 bits
cdef uint64_t PUNCTUAL_US = 10_000         # a timer that fires this late is as usual


@final
cdef class RpcLiveness:
    def __init__(self, *, uint64_t look_interval_us=DEFAULT_LOOK_INTERVAL_US,
                 uint64_t silence_limit_us=DEFAULT_SILENCE_LIMIT_US,
                 uint64_t overdue_floor_us=DEFAULT_OVERDUE_FLOOR_US,
                 uint64_t first_batch_limit_us=DEFAULT_FIRST_BATCH_LIMIT_US):
        for name, limit_us in (("look_interval_us", look_interval_us), ("silence_limit_us", silence_limit_us),
                               ("overdue_floor_us", overdue_floor_us),
                               ("first_batch_limit_us", first_batch_limit_us)):
            if limit_us == 0:
                raise InvalidArgumentError(f"{name} is 0: expected a number of microseconds")
        self.look_interval_us = look_interval_us
        self.silence_limit_us = silence_limit_us
        self.overdue_floor_us = overdue_floor_us
        self.first_batch_limit_us = first_batch_limit_us

    cdef int look(self, uint64_t now_us) noexcept:
        """Notes by how much this look comes late."""
        cdef uint64_t due_us = self._looked_us + self.look_interval_us
        cdef uint64_t place = self._absences % ABSENCES_KEPT
        if self._looked_us != 0 and now_us > due_us + PUNCTUAL_US:
            self._absence_at_us[place] = now_us
            self._absence_us[place] = now_us - due_us
            self._absences += 1
        self._looked_us = max(now_us, self._looked_us)
        return 0

    cdef uint64_t elapsed_us(self, uint64_t since_us, uint64_t now_us) noexcept:
        """The time between two moments, less this process's own absences."""
        cdef uint64_t elapsed_us = now_us - since_us if now_us > since_us else 0
        cdef uint64_t absent_us = 0
        cdef uint64_t index = self._absences
        cdef uint64_t oldest = index - ABSENCES_KEPT if index > ABSENCES_KEPT else 0
        cdef uint64_t at_us
        while index > oldest:
            index -= 1
            at_us = self._absence_at_us[index % ABSENCES_KEPT]
            if at_us <= since_us:
                break
            # One that had begun before counts from then on.
            absent_us += min(self._absence_us[index % ABSENCES_KEPT], at_us - since_us)
        return elapsed_us - absent_us if elapsed_us > absent_us else 0

    cdef uint64_t batch_limit_us(self, uint64_t predicted_us, bint has_answered, uint64_t slowest_us) noexcept:
        """How long a batch may be out."""
        cdef uint64_t limit_us = max(self.overdue_floor_us, min(predicted_us, LONGEST_US // OVERDUE) * OVERDUE)
        limit_us = max(limit_us, min(slowest_us, LONGEST_US // SLOWEST) * SLOWEST)
        return limit_us if has_answered else max(limit_us, self.first_batch_limit_us)

    cdef uint64_t _limit_of_batch(self, Replica replica) noexcept:
        # Of the one in service: a second one, sent ahead, is not its turn yet.
        cdef FinishModel model = replica.finish_model
        cdef uint32_t size = <uint32_t>replica.in_flight.front().slots.size()
        return self.batch_limit_us(model.longest_us(size), replica.batches > 0, replica.slowest_us)

    cdef uint64_t replica_silence_limit_us(self, Replica replica) noexcept:
        """How long a replica may be silent: one that computes may be unable to say anything."""
        if replica.in_flight.empty():
            return self.silence_limit_us
        return max(self.silence_limit_us, self._limit_of_batch(replica))

    cdef LivenessVerdict judge(self, Replica replica, uint64_t now_us) noexcept:
        cdef uint64_t since_us
        cdef uint64_t silence_us = self.elapsed_us(replica.last_seen_us, now_us)
        if silence_us > self.replica_silence_limit_us(replica):
            return LIVENESS_GONE if silence_us > GONE_US else LIVENESS_SILENT
        if not replica.in_flight.empty():
            since_us = replica.service_start_us(&replica.in_flight.front())
            if self.elapsed_us(since_us, now_us) > self._limit_of_batch(replica):
                return LIVENESS_OVERDUE
        return LIVENESS_FINE

    def begin_look(self, uint64_t now_us):
        self.look(now_us)

    def elapsed(self, uint64_t since_us, uint64_t now_us):
        return self.elapsed_us(since_us, now_us)

    def batch_limit(self, uint64_t predicted_us, bint has_answered, uint64_t slowest_us=0):
        return self.batch_limit_us(predicted_us, has_answered, slowest_us)
