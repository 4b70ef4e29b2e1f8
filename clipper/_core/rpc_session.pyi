"""The frontend's view of one container session, as a table: states, events and what follows from what."""

import enum
from collections.abc import Mapping

class SessionState(enum.IntEnum):
    """Where a session stands. Only READY takes batches."""

    AWAITING_REGISTER = 0
    LOADING = 1
    WARMING = 2
    READY = 3
    DRAINING = 4
    SUSPECT = 5
    CLOSED = 6

class SessionEvent(enum.IntEnum):
    """What can happen to a session; each is explained in ``rpc_session.pxd``."""

    REGISTERED = 0
    READY = 1
    HEARTBEAT = 2
    RESULT = 3
    BATCH_ERROR = 4
    LEAVING = 5
    LEFT = 6
    DRAIN = 7
    SILENT = 8
    OVERDUE = 9
    RECOVERED = 10
    LOST = 11
    PROBE = 12
    PROBED = 13

TRANSITIONS: Mapping[SessionState, Mapping[SessionEvent, SessionState]]

def step(state: SessionState, event: SessionEvent) -> SessionState:
    """Return the state that follows. Pure: the caller stores it.

    Raises
    ------
    ProtocolError
        If the event is illegal in this state; nothing has changed.
    """
