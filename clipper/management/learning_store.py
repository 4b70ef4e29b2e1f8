"""The learners' store: read and written beside the event loop, and done without while it is down."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from clipper.errors import ClipperError, ConflictError
from clipper.state.store import Document, ScannedPart, StateStore
from clipper.types import Revision

# A store that is down is tried again every second: the log says so when it begins, when it ends, and this often.
_TELL_INTERVAL_S: Final = 60.0
# So long nobody waits again for a store that has just failed to answer; the next flush tries it.
_REST_S: Final = 1.0
_logger = logging.getLogger(__name__)


class LearningStore:
    """Runs on management's event loop; calls of the store wait in a thread of their own, one at a time.

    Nothing here raises for a store that is down: learning goes on in memory, and the log and `failures` say so.
    """

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self._revision: Revision | None = None  # None: to be asked for
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="learner-store")
        self._failed_s = -math.inf
        self._told_s: float | None = None  # when the log last said that the store is down; None: it is not
        self.failures: dict[str, int] = {"read": 0, "write": 0}

    @property
    def is_down(self) -> bool:
        """Whether the last call failed."""
        return self._told_s is not None

    async def read(self, keys: Sequence[str]) -> Mapping[str, Document] | None:
        """Return the documents that there are; None if the store does not say, or has just failed to."""
        if not keys:
            return {}
        if time.monotonic() - self._failed_s < _REST_S:
            self.failures["read"] += 1
            return None
        try:
            documents = (await self._call(self._store.read, keys)).documents
        except ClipperError as error:
            self._on_failure("read", error)
            return None
        self._on_success()
        return documents  # type: ignore[no-any-return]

    async def scan(self, cursor: str, count: int) -> ScannedPart | None:
        """Return a part of all documents; None if the store does not say."""
        try:
            return await self._call(self._store.scan, cursor, count)  # type: ignore[no-any-return]
        except ClipperError as error:
            self._on_failure("read", error)
            return None

    async def write(self, changes: Mapping[str, Document | None]) -> bool:
        """Put and remove documents in one commit; return whether the store has them."""
        try:
            await self._call(self._commit, changes)
        except ClipperError as error:
            self._revision = None
            self._on_failure("write", error)
            return False
        self._on_success()
        return True

    def close(self) -> None:
        """Close the store, once nothing is under way."""
        self._thread.shutdown()
        self._store.close()

    def _commit(self, changes: Mapping[str, Document | None]) -> None:
        if self._revision is None:
            self._revision = self._store.read(()).revision
        try:
            self._revision = self._store.commit(self._revision, changes)
        except ConflictError as error:
            # One management writes one store: this is a commit of ours whose answer was lost, or an instance that
            # shares our registry, too, which that one refuses. Each document is whole, so the later one holds.
            _logger.warning("what was learned is written over what %s", error.message)
            self._revision = self._store.commit(self._store.read(()).revision, changes)

    async def _call(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    def _on_failure(self, what: str, error: ClipperError) -> None:
        self.failures[what] += 1
        self._failed_s = now_s = time.monotonic()
        if self._told_s is None or now_s - self._told_s > _TELL_INTERVAL_S:
            _logger.error("learning goes on from memory, and what it learns is not kept yet: %s", error)
            self._told_s = now_s

    def _on_success(self) -> None:
        self._failed_s = -math.inf
        if self._told_s is not None:
            _logger.info("what is learned is kept again in %s", self._store.url)
            self._told_s = None
