"""The interface of a state store: a set of JSON documents that changes in whole, revision by revision."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clipper.types import Revision

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredState:
    """Every document as of one revision; revision 0 is the empty store."""

    revision: Revision
    documents: Mapping[str, Document]


class StateStore(ABC):
    """Documents by key, with a compare-and-set on the revision of the whole."""

    @abstractmethod
    def load(self) -> StoredState:
        """Return the present state; later commits do not change what was returned."""

    @abstractmethod
    def commit(self, expected_revision: Revision, changes: Mapping[str, Document | None]) -> Revision:
        """Put (or, for None, remove) documents, all or none, and return the new revision: one more than before.

        Removing a key that does not exist is no error.

        Raises
        ------
        ConflictError
            The store is no longer at ``expected_revision``; nothing was changed.
        """

    @abstractmethod
    def close(self) -> None:
        """Give back what the store holds; it is not used afterwards."""
