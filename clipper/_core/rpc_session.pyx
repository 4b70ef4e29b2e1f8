# cython: language_level=3
# The table is data; step() reads it, docs/rpc-protocol.md is rendered from it, and a test walks every cell.
import enum
from types import MappingProxyType

from clipper.errors import ProtocolError


class SessionState(enum.IntEnum):
    AWAITING_REGISTER = STATE_AWAITING_REGISTER
    LOADING = STATE_LOADING
    WARMING = STATE_WARMING
    READY = STATE_READY
    DRAINING = STATE_DRAINING
    SUSPECT = STATE_SUSPECT
    CLOSED = STATE_CLOSED


class SessionEvent(enum.IntEnum):
    REGISTERED = EVENT_REGISTERED
    READY = EVENT_READY
    HEARTBEAT = EVENT_HEARTBEAT
    RESULT = EVENT_RESULT
    BATCH_ERROR = EVENT_BATCH_ERROR
    LEAVING = EVENT_LEAVING
    LEFT = EVENT_LEFT
    DRAIN = EVENT_DRAIN
    SILENT = EVENT_SILENT
    OVERDUE = EVENT_OVERDUE
    RECOVERED = EVENT_RECOVERED
    LOST = EVENT_LOST
    PROBE = EVENT_PROBE
    PROBED = EVENT_PROBED


_S = SessionState
_E = SessionEvent

# What is not listed is illegal. REGISTER may come again before its answer was read: it changes nothing.
# LOADING and WARMING ignore silence: an import, or the compilation of a first batch, may hold the interpreter for
# seconds, and the deployer bounds the whole of it.
# DRAINING ignores silence and overdue batches: the drain's own deadline bounds both, with LOST.
TRANSITIONS = MappingProxyType({
    _S.AWAITING_REGISTER: MappingProxyType({
        _E.REGISTERED: _S.LOADING,
        _E.LOST: _S.CLOSED,
    }),
    _S.LOADING: MappingProxyType({
        _E.REGISTERED: _S.LOADING,
        _E.READY: _S.READY,
        _E.HEARTBEAT: _S.LOADING,
        _E.LEAVING: _S.DRAINING,
        _E.LEFT: _S.CLOSED,
        _E.DRAIN: _S.DRAINING,
        _E.SILENT: _S.LOADING,
        _E.LOST: _S.CLOSED,
        _E.PROBE: _S.WARMING,
    }),
    _S.WARMING: MappingProxyType({
        _E.REGISTERED: _S.WARMING,
        _E.HEARTBEAT: _S.WARMING,
        _E.RESULT: _S.WARMING,
        _E.BATCH_ERROR: _S.WARMING,
        _E.LEAVING: _S.DRAINING,
        _E.LEFT: _S.CLOSED,
        _E.DRAIN: _S.DRAINING,
        _E.SILENT: _S.WARMING,
        _E.OVERDUE: _S.WARMING,
        _E.LOST: _S.CLOSED,
        _E.PROBED: _S.READY,
    }),
    _S.READY: MappingProxyType({
        _E.REGISTERED: _S.READY,
        _E.HEARTBEAT: _S.READY,
        _E.RESULT: _S.READY,
        _E.BATCH_ERROR: _S.READY,
        _E.LEAVING: _S.DRAINING,
        _E.LEFT: _S.CLOSED,
        _E.DRAIN: _S.DRAINING,
        _E.SILENT: _S.SUSPECT,
        _E.OVERDUE: _S.SUSPECT,
        _E.LOST: _S.CLOSED,
    }),
    _S.DRAINING: MappingProxyType({
        _E.REGISTERED: _S.DRAINING,
        _E.READY: _S.DRAINING,
        _E.HEARTBEAT: _S.DRAINING,
        _E.RESULT: _S.DRAINING,
        _E.BATCH_ERROR: _S.DRAINING,
        _E.LEAVING: _S.DRAINING,
        _E.LEFT: _S.CLOSED,
        _E.DRAIN: _S.DRAINING,
        _E.SILENT: _S.DRAINING,
        _E.OVERDUE: _S.DRAINING,
        _E.LOST: _S.CLOSED,
    }),
    _S.SUSPECT: MappingProxyType({
        _E.REGISTERED: _S.SUSPECT,
        _E.HEARTBEAT: _S.SUSPECT,
        _E.RESULT: _S.SUSPECT,
        _E.BATCH_ERROR: _S.SUSPECT,
        _E.LEAVING: _S.DRAINING,
        _E.LEFT: _S.CLOSED,
        _E.DRAIN: _S.DRAINING,
        _E.SILENT: _S.SUSPECT,
        _E.OVERDUE: _S.SUSPECT,
        _E.RECOVERED: _S.READY,
        _E.LOST: _S.CLOSED,
    }),
    _S.CLOSED: MappingProxyType({
        _E.LOST: _S.CLOSED,
    }),
})

cdef int ILLEGAL = -1
cdef signed char[STATE_COUNT][EVENT_COUNT] NEXT  # TRANSITIONS again, for next_state()


cdef int _fill_table() except -1:
    cdef int state, event
    for state in range(STATE_COUNT):
        for event in range(EVENT_COUNT):
            NEXT[state][event] = TRANSITIONS[state].get(event, ILLEGAL)
    return 0


_fill_table()


cdef int next_state(int state, int event) noexcept nogil:
    if state < 0 or state >= STATE_COUNT or event < 0 or event >= EVENT_COUNT:
        return ILLEGAL
    return NEXT[state][event]


def step(state, event):
    cdef int reached = next_state(state, event)
    if reached == ILLEGAL:
        raise ProtocolError(f"{SessionEvent(event).name} is illegal for a session in state {SessionState(state).name}")
    return SessionState(reached)
