"""A store in one SQLite file: what it has committed survives a SIGKILL of its process and a loss of power."""

from __future__ import annotations

import contextlib
import errno
import json
import mmap
import os
import sqlite3
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from clipper.errors import StartError, StateError, StateUnavailableError
from clipper.state.sqlite_errors import damaged_error, opening_error, running_error
from clipper.state.store import NO_REVISION, Document, ScannedPart, StateStore, StoredState
from clipper.types import Revision

# The first bytes of every SQLite file (sqlite.org/fileformat.html).
_MAGIC: Final = b"SQLite format 3\0"
# How long a call waits for another process that holds the file.
LOCK_LIMIT_US: Final = 1_000_000
# What one statement asks for at most: SQLite takes 32,766 parameters, or 999 before version 3.32.
_MOST_KEYS: Final = 900
# Step n leads from schema version n to n + 1 and runs in one transaction with it; version 0 is an empty file. Steps are
# added, never changed: files of every version are out there.
_STEPS: Final[tuple[tuple[str, ...], ...]] = (
    (
        "CREATE TABLE documents (key TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT",
        "CREATE TABLE state (revision INTEGER NOT NULL) STRICT",
        "INSERT INTO state VALUES (0)",
    ),
)


class SqliteStore(StateStore):
    """One connection in write-ahead mode. The file and those beside it are its owner's alone to read.

    Parameters
    ----------
    lock_limit_us : int
        How long a call waits for another process that holds the file.
    steps : sequence of sequences of str
        The schema: statements that lead from each version to the next.

    Raises
    ------
    StartError
        The file cannot be opened, is locked or damaged, or was written by a newer version of Clipper or by another
        program; it is as it was.
    """

    def __init__(
        self, path: Path, lock_limit_us: int = LOCK_LIMIT_US, steps: tuple[tuple[str, ...], ...] = _STEPS
    ) -> None:
        self._path = path
        self._lock_limit_s = lock_limit_us / 1e6
        self._steps = steps
        try:
            _create_private(path)
            self._inspect()
            if path.stat().st_size == 0:
                self._connect().close()
            self._header = _map_header(path)
            self._connection = self._connect()
            self._identity = _identity(path)
        except (OSError, sqlite3.Error) as error:
            raise opening_error(path, error) from error

    @property
    def url(self) -> str:
        return f"sqlite:{self._path}"

    def load(self) -> StoredState:
        try:
            with _transaction(self._connection, "BEGIN"):
                revision = self._connection.execute("SELECT revision FROM state").fetchone()[0]
                rows = self._connection.execute("SELECT key, text FROM documents ORDER BY rowid").fetchall()
        except sqlite3.Error as error:
            raise running_error(self._path, "read", error) from error
        return StoredState(Revision(revision), {key: self._parse(key, text) for key, text in rows})

    def read(self, keys: Sequence[str]) -> StoredState:
        rows: list[tuple[str, str]] = []
        try:
            with _transaction(self._connection, "BEGIN"):
                revision = self._connection.execute("SELECT revision FROM state").fetchone()[0]
                for begin in range(0, len(keys), _MOST_KEYS):
                    part = keys[begin : begin + _MOST_KEYS]
                    marks = ", ".join("?" * len(part))
                    rows += self._connection.execute(f"SELECT key, text FROM documents WHERE key IN ({marks})", part)
        except sqlite3.Error as error:
            raise running_error(self._path, "read", error) from error
        return StoredState(Revision(revision), {key: self._parse(key, text) for key, text in rows})

    def scan(self, cursor: str, count: int) -> ScannedPart:
        try:
            rows = self._connection.execute(
                "SELECT rowid, key, text FROM documents WHERE rowid > ? ORDER BY rowid LIMIT ?",
                (int(cursor or 0), count),
            ).fetchall()
        except sqlite3.Error as error:
            raise running_error(self._path, "read", error) from error
        following = str(rows[-1][0]) if len(rows) == count else ""
        return ScannedPart(following, {key: self._parse(key, text) for _, key, text in rows})

    def commit(
        self, expected_revision: Revision, changes: Mapping[str, Document | None], above: Revision = NO_REVISION
    ) -> Revision:
        puts = [
            (key, json.dumps(document, allow_nan=False)) for key, document in changes.items() if document is not None
        ]
        removals = [(key,) for key, document in changes.items() if document is None]
        self._check_in_place()
        try:
            with _transaction(self._connection, "BEGIN IMMEDIATE"):
                revision = int(self._connection.execute("SELECT revision FROM state").fetchone()[0])
                if revision != expected_revision:
                    raise self._conflict(revision, expected_revision)
                self._connection.executemany(
                    "INSERT INTO documents VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET text = excluded.text", puts
                )
                self._connection.executemany("DELETE FROM documents WHERE key = ?", removals)
                revision = max(revision, above) + 1
                self._connection.execute("UPDATE state SET revision = ?", (revision,))
        except sqlite3.Error as error:
            raise running_error(self._path, "written", error) from error
        return Revision(revision)

    def close(self) -> None:
        self._connection.close()

    def _check_in_place(self) -> None:
        """Refuse to write to a file that no longer has its name or its form: the next start would not find the state.

        SQLite itself does not look again at what it has in memory: it would go on as if nothing were the matter.
        """
        if _identity(self._path) != self._identity:
            raise StateUnavailableError(
                f"the state in {self._path} cannot be written: the file was moved away or replaced while Clipper runs; "
                "nothing was changed",
                hint="put it back, or restart Clipper to go on with what is there now",
            )
        if self._path.stat().st_size < len(_MAGIC) or self._header[: len(_MAGIC)] != _MAGIC:
            raise StateError(
                f"the state in {self._path} cannot be written: the file was overwritten while Clipper runs, and is no "
                "SQLite file any more; nothing was changed",
                hint="until Clipper is restarted with a backup of it, it serves what it has in memory",
            )

    # -- opening -----------------------------------------------------------------------------------------------------

    def _inspect(self) -> None:
        """Refuse what is not ours to write, over a connection that cannot write."""
        if self._path.stat().st_size == 0:
            return
        uri = f"{self._path.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=self._lock_limit_s)) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > len(self._steps):
                raise StartError(
                    f"the state in {self._path} has schema version {version}, and this version of Clipper reads up to "
                    f"{len(self._steps)}: a newer version wrote it",
                    hint="start that newer version, restore a backup that this one wrote, or move the file away to "
                    "start with an empty registry",
                )
            finding = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if finding != "ok":
                raise damaged_error(self._path, finding)
            if version == 0 and connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                raise StartError(
                    f"{self._path} is an SQLite file of another program", hint="name another file for the state"
                )

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, isolation_level=None, timeout=self._lock_limit_s, check_same_thread=False
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        # Readers such as a backup then do not hold up a commit, nor a commit them; and a commit writes one file.
        connection.execute("PRAGMA journal_mode = WAL")
        # A commit is on the disk before its caller is told: NORMAL could lose the last ones with the power. It costs
        # one fsync a change, and changes are made by people, not by queries.
        connection.execute("PRAGMA synchronous = FULL")
        with _transaction(connection, "BEGIN IMMEDIATE"):
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            for step in self._steps[version:]:
                for statement in step:
                    connection.execute(statement)
            if version < len(self._steps):
                connection.execute(f"PRAGMA user_version = {len(self._steps)}")


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _map_header(path: Path) -> mmap.mmap:
    """Return the file's first bytes as they are at any time, for as long as the file is there.

    A mapping, and made before there is a connection: to close a descriptor of the file would drop that one's locks.
    """
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), len(_MAGIC), access=mmap.ACCESS_READ)


def _create_private(path: Path) -> None:
    """Create the file if there is none, and see to it that its owner alone can read it.

    A file that exists is not opened: to close it again would drop the locks of every connection of this process.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        return
    except FileExistsError:
        mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    if not os.access(path, os.R_OK | os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    if stat.S_IMODE(mode) & 0o077:
        path.chmod(0o600)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
