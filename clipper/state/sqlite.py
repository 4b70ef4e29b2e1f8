"""A store in one SQLite file: what it has committed survives a SIGKILL of its process."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from clipper.errors import ConflictError, ServerError, StartError
from clipper.state.store import Document, StateStore, StoredState
from clipper.types import Revision

_SCHEMA_VERSION: Final = 1
_SCHEMA: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS documents (key TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS state (revision INTEGER NOT NULL) STRICT;
INSERT INTO state SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM state);
PRAGMA user_version = {_SCHEMA_VERSION};
COMMIT;
"""


class SqliteStore(StateStore):
    """One connection in write-ahead mode; used by one thread.

    Parameters
    ----------
    lock_limit_us : int
        How long a commit waits for another process that holds the file.

    Raises
    ------
    StartError
        The file cannot be opened, is no SQLite file, or was written by a newer version of Clipper.
    """

    def __init__(self, path: Path, lock_limit_us: int = 1_000_000) -> None:
        hint = "move the file away to start with an empty registry"
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # readable by its owner alone
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=lock_limit_us / 1e6)
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if version > _SCHEMA_VERSION:
                raise StartError(f"the state in {path} was written by a newer version of Clipper", hint=hint)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise StartError(f"the state in {path} cannot be opened: {error}", hint=hint) from error

    def load(self) -> StoredState:
        self._connection.execute("BEGIN")
        try:
            revision = self._connection.execute("SELECT revision FROM state").fetchone()[0]
            rows = self._connection.execute("SELECT key, text FROM documents ORDER BY rowid").fetchall()
        finally:
            self._connection.execute("COMMIT")
        return StoredState(Revision(revision), {key: json.loads(text) for key, text in rows})

    def commit(self, expected_revision: Revision, changes: Mapping[str, Document | None]) -> Revision:
        puts = [
            (key, json.dumps(document, allow_nan=False)) for key, document in changes.items() if document is not None
        ]
        removals = [(key,) for key, document in changes.items() if document is None]
        try:
            return self._commit(expected_revision, puts, removals)
        except sqlite3.Error as error:
            raise ServerError(f"the state cannot be written, nothing was changed: {error}") from error

    def _commit(self, expected_revision: Revision, puts: list[tuple[str, str]], removals: list[tuple[str]]) -> Revision:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            revision = int(self._connection.execute("SELECT revision FROM state").fetchone()[0])
            if revision != expected_revision:
                raise ConflictError(f"the state is at revision {revision}, not at {expected_revision}")
            self._connection.executemany(
                "INSERT INTO documents VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET text = excluded.text", puts
            )
            self._connection.executemany("DELETE FROM documents WHERE key = ?", removals)
            self._connection.execute("UPDATE state SET revision = ?", (revision + 1,))
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return Revision(revision + 1)

    def close(self) -> None:
        self._connection.close()
