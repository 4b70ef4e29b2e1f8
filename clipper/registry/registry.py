"""The registry: the present desired state, changed by pure functions and kept in a store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from clipper.registry.documents import changed_documents, from_stored
from clipper.registry.records import RegistryState
from clipper.state.store import StateStore

Change = Callable[[RegistryState], RegistryState]


class Registry:
    """Used by one task at a time; readers take `state`, which never changes under them."""

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self._state = from_stored(store.load())

    @property
    def state(self) -> RegistryState:
        """The present state."""
        return self._state

    def apply(self, change: Change) -> RegistryState:
        """Store and return ``change(state)`` under a new revision.

        Raises
        ------
        CallerError
            From the change; nothing has changed.
        """
        before = self._state
        after = change(before)
        revision = self._store.commit(before.revision, changed_documents(before, after))
        self._state = replace(after, revision=revision)
        return self._state

    def close(self) -> None:
        """Close the store."""
        self._store.close()
