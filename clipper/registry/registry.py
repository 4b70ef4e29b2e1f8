"""The registry: the present desired state, changed by pure functions and kept in a store.

This process is the only one that changes its store, so what it has in memory is the truth. That settles what a lost
connection leaves open: whether the store made a change that was reported as failed. Before the next change, or when
`Registry.settle` is called, the registry looks at what the store holds, and writes the truth over it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from clipper.errors import ConflictError
from clipper.registry.documents import changed_documents, from_stored
from clipper.registry.records import RegistryState
from clipper.state.store import StateStore

Change = Callable[[RegistryState], RegistryState]

# Enough to know our own late request among: each needs its server lost after an answer to `load`.
_MAX_ATTEMPTED: Final = 16
_logger = logging.getLogger(__name__)


class Registry:
    """Changed by one thread at a time; readers take `state`, which never changes under them."""

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self._state = from_stored(store.load())
        self._held = self._state  # what the store holds, as far as we know
        # What it may hold instead, now or once a lost request arrives: changes that failed since the last one made.
        self._attempted: deque[RegistryState] = deque(maxlen=_MAX_ATTEMPTED)
        self._writing = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="state")

    @property
    def state(self) -> RegistryState:
        """The present state."""
        return self._state

    @property
    def is_settled(self) -> bool:
        """Whether the store is known to hold the present state."""
        return not self._attempted

    def apply(self, change: Change) -> RegistryState:
        """Store and return ``change(state)`` under a new revision.

        Raises
        ------
        CallerError
            From the change; nothing has changed.
        StateUnavailableError
            The store cannot be written; `state` is what it was.
        ConflictError
            Somebody else has changed the store; `state` is now what it holds.
        """
        with self._writing:
            self._write(change(self._state))
            return self._state

    async def apply_in_thread(self, change: Change) -> RegistryState:
        """Do `apply` beside the event loop, which goes on while a disk or a server takes its time.

        A caller that is cancelled leaves when the change is made, or has failed, and not while it is under way.
        """
        applied = asyncio.get_running_loop().run_in_executor(self._thread, self.apply, change)
        try:
            return await asyncio.shield(applied)
        except asyncio.CancelledError:
            await asyncio.wait([applied])
            applied.exception()  # looked at: nobody else will
            raise

    def settle(self) -> None:
        """Make the store hold the present state, if that is not certain. Raises as `apply` does."""
        with self._writing:
            if not self.is_settled:
                self._write(self._state)

    async def settle_in_thread(self) -> None:
        """Do `settle` beside the event loop."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self.settle)

    def close(self) -> None:
        """Close the store."""
        self._thread.shutdown()
        self._store.close()

    def _write(self, after: RegistryState) -> None:
        if self._attempted:
            self._look()
        try:
            self._commit(after)
        except ConflictError:
            self._look()
            self._commit(after)

    def _commit(self, after: RegistryState) -> None:
        changed = changed_documents(self._held, after)
        try:
            # Above every revision that a frontend has seen, also when the store went back.
            revision = self._store.commit(self._held.revision, changed, self._state.revision)
        except ConflictError:
            raise
        except BaseException:
            self._attempted.append(after)
            raise
        self._attempted.clear()
        self._held = self._state = replace(after, revision=revision)

    def _look(self) -> None:
        """Learn what the store holds; it is ours to write over unless somebody else has gone further than we."""
        held = from_stored(self._store.load())
        if not any(_is_same(held, ours) for ours in (self._state, self._held, *self._attempted)):
            if held.revision >= self._state.revision:
                self._held = self._state = held
                self._attempted.clear()
                raise ConflictError(
                    f"the state in {self._store.url} was changed by somebody else, up to revision {held.revision}; "
                    "this change was not made",
                    hint="two instances of Clipper must not share one state: give each its own file or prefix",
                )
            _logger.warning(
                "the state in %s went back from revision %d to %d: what it has lost is written anew",
                *(self._store.url, self._state.revision, held.revision),
            )
        self._held = held


def _is_same(one: RegistryState, other: RegistryState) -> bool:
    return (one.applications, one.models) == (other.applications, other.models)
