"""A store that fails when it is told to: before it has made a commit, after, or long after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from clipper.errors import StateUnavailableError
from clipper.state.memory import MemoryStore
from clipper.state.store import NO_REVISION, Document, ScannedPart, StateStore, StoredState
from clipper.types import Revision


class Fault(Enum):
    """What happens to the next commit."""

    NONE = "it is made"
    REFUSED = "it is not made, and says so"
    ANSWER_LOST = "it is made, and its caller does not learn it"
    LATE = "it is made when `FaultyStore.deliver` is called, and its caller does not learn it"


class FaultyStore(StateStore):
    """Keeps to the contract of a store whose server may be lost while it works."""

    def __init__(self, store: StateStore | None = None) -> None:
        self.store = store or MemoryStore()
        self.fault = Fault.NONE
        self.is_gone = False
        self._late: tuple[Revision, Mapping[str, Document | None], Revision] | None = None

    @property
    def url(self) -> str:
        return "faulty:"

    def load(self) -> StoredState:
        self._check()
        return self.store.load()

    def read(self, keys: Sequence[str]) -> StoredState:
        self._check()
        return self.store.read(keys)

    def scan(self, cursor: str, count: int) -> ScannedPart:
        self._check()
        return self.store.scan(cursor, count)

    def commit(
        self, expected_revision: Revision, changes: Mapping[str, Document | None], above: Revision = NO_REVISION
    ) -> Revision:
        self._check()
        fault, self.fault = self.fault, Fault.NONE
        if fault is Fault.LATE:
            self._late = (expected_revision, dict(changes), above)
        if fault in (Fault.REFUSED, Fault.LATE):
            raise StateUnavailableError("the server is lost")
        revision = self.store.commit(expected_revision, changes, above)
        if fault is Fault.ANSWER_LOST:
            raise StateUnavailableError("the answer is lost")
        return revision

    def deliver(self) -> None:
        """Make the commit that was late; ConflictError if another one came first."""
        if self._late is not None:
            late, self._late = self._late, None
            self.store.commit(*late)

    def close(self) -> None:
        self.store.close()

    def _check(self) -> None:
        if self.is_gone:
            raise StateUnavailableError("the server is gone")
