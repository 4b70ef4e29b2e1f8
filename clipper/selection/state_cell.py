"""The state of a policy, which an observation changes as a whole or not at all.

`SelectionPolicy.observe` may write into the state that it is given, so a policy that raises half-way would leave half
an observation behind. The cell keeps the state's text as of a checkpoint, and what was observed since: from these it
makes the state anew, without the observation that failed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final

from clipper.selection.observation import Observation
from clipper.selection.policy import SelectionPolicy, State

# Observations between two checkpoints: what a failure makes the policy observe again, and the cell hold, at most.
MAX_LOGGED: Final = 1024


FAILURES: Final = ("init", "observe", "plan", "arms", "upgrade", "state", "context", "summary")
"""What a policy was doing when it failed; "state": what it returned is no JSON, "context": what was stored is none."""


class PolicyFailedError(Exception):
    """A policy raised, or returned what is none of its states; the cell is as it was.

    Parameters
    ----------
    what : str
        What it was doing: one of `FAILURES`.
    unlearned : int
        Earlier observations that went with it: the policy did not take again what it had taken before.
    """

    def __init__(self, what: str, error: Exception, unlearned: int = 0) -> None:
        text = str(error) if isinstance(error, PolicyFailedError) else f"{type(error).__name__}: {error}"
        super().__init__(f"{text}; with it went {unlearned} earlier observations" if unlearned else text)
        self.what = what
        self.unlearned = unlearned


def encode_state(state: State) -> str:
    """Return the state as JSON text.

    Raises
    ------
    PolicyFailedError
        It is no JSON object, or holds a number that JSON has no word for.
    """
    try:
        if not isinstance(state, dict):
            raise TypeError(f"a state is a dict, not {type(state).__name__}")
        return json.dumps(state, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise PolicyFailedError("state", error) from error


class StateCell:
    """One policy's state: as text while nothing happens to it, as the policy's own dict while something does."""

    __slots__ = ("_live", "_log", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._live: State | None = None
        self._log: list[Observation] = []

    @property
    def state(self) -> State:
        """The present state, for reading: the policy's own object."""
        if self._live is None:
            self._live = _decode(self._text)
        return self._live

    def observe(self, policy: SelectionPolicy, observation: Observation) -> None:
        """Fold one observation in.

        Raises
        ------
        PolicyFailedError
            The policy raised; the state is as if the observation, and those that the error names, had never come.
        """
        try:
            after = policy.observe(self.state, observation)
            if not isinstance(after, dict):
                raise TypeError(f"observe() returned {type(after).__name__}, not a state")
        except Exception as error:
            raise PolicyFailedError("observe", error, self._restore(policy)) from error
        self._live = after
        self._log.append(observation)
        if len(self._log) >= MAX_LOGGED:
            self.checkpoint()

    def change_arms(self, policy: SelectionPolicy, arms: Sequence[str]) -> None:
        """Let the policy take in other arms; raises `PolicyFailedError` as `observe` does."""
        self._change("arms", lambda: policy.change_arms(self.state, arms))

    def upgrade(self, policy: SelectionPolicy) -> None:
        """Bring a stored state up to the policy's version; raises `PolicyFailedError` if it does not read it."""
        self._change("upgrade", lambda: policy.upgrade(self.state))

    def _change(self, what: str, change: Callable[[], State]) -> None:
        self.checkpoint()
        try:
            after = change()
            text = encode_state(after)
        except Exception as error:
            self._live = None
            raise PolicyFailedError(what, error) from error
        self._live, self._text = after, text

    def checkpoint(self) -> str:
        """Return the state as text, from which `StateCell` makes the same state again.

        Raises
        ------
        PolicyFailedError
            The state has become something that JSON has no word for; it is that of the last checkpoint again.
        """
        if self._log:
            try:
                self._text = encode_state(self.state)
            except PolicyFailedError:
                self._live = None
                raise
            finally:
                self._log = []
        return self._text

    def rest(self) -> None:
        """Keep the text alone until the state is needed again: a fraction of what the objects take."""
        self.checkpoint()
        self._live = None

    def _restore(self, policy: SelectionPolicy) -> int:
        """Make the state anew from the checkpoint; return how many observations could not be taken in again."""
        log, self._log = self._log, []
        self._live = _decode(self._text)
        for observation in log:
            try:
                self._live = policy.observe(self._live, observation)
            except Exception:  # noqa: BLE001 - it took this one before: whatever it does, it is not asked a third time
                self._live = _decode(self._text)
                return len(log)
        self._log = log
        try:
            self.checkpoint()  # so that a policy which fails often does not observe the same things again and again
        except PolicyFailedError:
            self._live = None
            return len(log)
        return 0


def _decode(text: str) -> State:
    state: State = json.loads(text)
    return state
