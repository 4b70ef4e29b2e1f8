"""The frontend's session table, cell by cell."""

from __future__ import annotations

import itertools

import pytest

from clipper._core.rpc_session import TRANSITIONS, SessionEvent, SessionState, step
from clipper.errors import ProtocolError

CELLS = list(itertools.product(SessionState, SessionEvent))


@pytest.mark.parametrize(("state", "event"), CELLS, ids=lambda member: member.name)
def test_session_every_cell_steps_as_the_table_says(state: SessionState, event: SessionEvent) -> None:
    expected = TRANSITIONS[state].get(event)
    if expected is not None:
        assert step(state, event) is expected
        return
    with pytest.raises(ProtocolError, match=f"{event.name} is illegal for a session in state {state.name}"):
        step(state, event)


def test_session_numbers_outside_the_table_are_refused() -> None:
    for state, event in ((99, SessionEvent.LOST), (SessionState.READY, 99), (-1, -1)):
        with pytest.raises((ProtocolError, ValueError)):
            step(state, event)  # type: ignore[arg-type]


def test_session_table_lists_every_state() -> None:
    assert set(TRANSITIONS) == set(SessionState)


def test_session_only_a_registered_one_is_ever_ready() -> None:
    reached = {SessionState.AWAITING_REGISTER}
    without_register = [event for event in SessionEvent if event != SessionEvent.REGISTERED]
    for _ in SessionState:
        reached |= {
            TRANSITIONS[state][event] for state in reached for event in without_register if event in TRANSITIONS[state]
        }
    assert reached == {SessionState.AWAITING_REGISTER, SessionState.CLOSED}


def test_session_closed_one_is_left_by_no_event() -> None:
    assert set(TRANSITIONS[SessionState.CLOSED].values()) == {SessionState.CLOSED}


def test_session_draining_one_never_takes_batches_again() -> None:
    assert set(TRANSITIONS[SessionState.DRAINING].values()) <= {SessionState.DRAINING, SessionState.CLOSED}


@pytest.mark.parametrize("state", SessionState, ids=lambda state: state.name)
def test_session_lost_in_any_state_is_closed(state: SessionState) -> None:
    assert step(state, SessionEvent.LOST) is SessionState.CLOSED
