"""A store that lives and dies with its process."""

from __future__ import annotations

import json
from collections.abc import Mapping

from clipper.errors import ConflictError
from clipper.state.store import Document, StateStore, StoredState
from clipper.types import Revision


class MemoryStore(StateStore):
    """Keeps the documents as JSON text, so that nobody shares a mutable object with it."""

    def __init__(self) -> None:
        self._revision = 0
        self._texts: dict[str, str] = {}

    def load(self) -> StoredState:
        documents = {key: json.loads(text) for key, text in self._texts.items()}
        return StoredState(Revision(self._revision), documents)

    def commit(self, expected_revision: Revision, changes: Mapping[str, Document | None]) -> Revision:
        if expected_revision != self._revision:
            raise ConflictError(f"the state is at revision {self._revision}, not at {expected_revision}")
        texts = dict(self._texts)
        for key, document in changes.items():
            if document is None:
                texts.pop(key, None)
            else:
                texts[key] = json.dumps(document, allow_nan=False)
        self._texts = texts
        self._revision += 1
        return Revision(self._revision)

    def close(self) -> None:
        self._texts = {}
