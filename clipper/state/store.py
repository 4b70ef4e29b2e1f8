"""The interface of a state store: a set of JSON documents that changes in whole, revision by revision."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clipper.errors import ConflictError, StateError
from clipper.types import Revision

Document = Mapping[str, Any]
NO_REVISION = Revision(0)


@dataclass(frozen=True, slots=True)
class StoredState:
    """Every document as of one revision, in the order in which their keys came; revision 0 is the empty store."""

    revision: Revision
    documents: Mapping[str, Document]


@dataclass(frozen=True, slots=True)
class ScannedPart:
    """A part of all documents, and where the next part begins; "" = this was the last."""

    cursor: str
    documents: Mapping[str, Document]


class StateStore(ABC):
    """Documents by key, with a compare-and-set on the revision of the whole. Used by one thread at a time.

    Opening it is the constructor's work, which raises `StartError`. Every call after that may raise
    `StateUnavailableError`, of what passes or can be mended while Clipper runs, and `StateError`, of a damaged store;
    the next call tries again.
    """

    @property
    @abstractmethod
    def url(self) -> str:
        """Where the documents are, fit for a log: without a password."""

    @abstractmethod
    def load(self) -> StoredState:
        """Return the present state; later commits do not change what was returned."""

    @abstractmethod
    def read(self, keys: Sequence[str]) -> StoredState:
        """Return the present revision and, of the documents with these keys, those that there are, in no given order.

        What it costs follows from the number of keys, not from how much the store holds: `load` is for what fits into
        memory, this for what is looked up one by one. Without keys it tells the revision.
        """

    @abstractmethod
    def scan(self, cursor: str, count: int) -> ScannedPart:
        """Return some documents, about ``count``, and the cursor for the next ones.

        The first cursor is "", and so is the one behind the last part. A document that is there from the first part to
        the last is in one of them at least; one that is put or removed meanwhile may be in one or not.
        """

    @abstractmethod
    def commit(
        self, expected_revision: Revision, changes: Mapping[str, Document | None], above: Revision = NO_REVISION
    ) -> Revision:
        """Put (or, for None, remove) documents, all or none, and return the new revision.

        That is one more than before, or than ``above`` if that is more. Removing a key that does not exist is no error.

        Raises
        ------
        ConflictError
            The store is no longer at ``expected_revision``; nothing was changed.
        StateUnavailableError
            The store cannot be written now. If its server was lost while it worked, the change may be made or not.
        """

    @abstractmethod
    def close(self) -> None:
        """Give back what the store holds; it is not used afterwards."""

    def _parse(self, key: str, text: str | bytes) -> Document:
        try:
            document = json.loads(text)
        except ValueError as error:
            raise self._damaged(f"the document {key!r} is no JSON: {error}") from error
        if not isinstance(document, dict):
            raise self._damaged(f"the document {key!r} is no JSON object")
        return document

    def _damaged(self, finding: str) -> StateError:
        return StateError(f"the state in {self.url} is damaged: {finding}", hint="restore it from a backup")

    def _conflict(self, revision: int, expected_revision: Revision) -> ConflictError:
        return ConflictError(
            f"the state in {self.url} is at revision {revision}, not at {expected_revision}: somebody else has changed "
            "it",
            hint="two instances of Clipper must not share one state: give each its own file or prefix",
        )
