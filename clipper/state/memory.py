"""A store that lives and dies with its process."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from clipper.state.store import NO_REVISION, Document, ScannedPart, StateStore, StoredState
from clipper.types import Revision


class MemoryStore(StateStore):
    """Keeps the documents as JSON text, so that nobody shares a mutable object with it."""

    def __init__(self) -> None:
        self._revision = NO_REVISION
        self._texts: dict[str, str] = {}

    @property
    def url(self) -> str:
        return "memory:"

    def load(self) -> StoredState:
        documents = {key: self._parse(key, text) for key, text in self._texts.items()}
        return StoredState(self._revision, documents)

    def read(self, keys: Sequence[str]) -> StoredState:
        found = {key: self._parse(key, self._texts[key]) for key in keys if key in self._texts}
        return StoredState(self._revision, found)

    def scan(self, cursor: str, count: int) -> ScannedPart:
        # By the order of the keys: positions would shift under a scan when documents are removed.
        keys = sorted(key for key in self._texts if not cursor or key > cursor.removeprefix(">"))[:count]
        following = f">{keys[-1]}" if len(keys) == count else ""
        return ScannedPart(following, {key: self._parse(key, self._texts[key]) for key in keys})

    def commit(
        self, expected_revision: Revision, changes: Mapping[str, Document | None], above: Revision = NO_REVISION
    ) -> Revision:
        if expected_revision != self._revision:
            raise self._conflict(self._revision, expected_revision)
        texts = dict(self._texts)
        for key, document in changes.items():
            if document is None:
                texts.pop(key, None)
            else:
                texts[key] = json.dumps(document, allow_nan=False)
        self._texts = texts
        self._revision = Revision(max(self._revision, above) + 1)
        return self._revision

    def close(self) -> None:
        self._texts = {}
