"""What SQLite's result codes mean to an operator."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from clipper.errors import ServerError, StartError, StateError, StateUnavailableError

_BACKUP_HINT: Final = "restore it from a backup, or move it away to start with an empty registry"
_WRITABLE_HINT: Final = (
    "make the file and its directory writable for the user that runs Clipper: SQLite keeps two more files beside it"
)
# Primary result codes (sqlite.org/rescode.html) -> what is the matter, and what to do. All of these may pass.
_PASSING: Final = {
    sqlite3.SQLITE_BUSY: (
        "another process keeps it locked",
        "end that process (fuser shows which it is); a backup is made with the command .backup, not with a lock",
    ),
    sqlite3.SQLITE_LOCKED: ("it is locked", "try again"),
    sqlite3.SQLITE_FULL: ("its disk is full", "free some space: Clipper goes on by itself then"),
    sqlite3.SQLITE_IOERR: ("its disk does not take it", "see whether the disk is full or damaged, and try again"),
    sqlite3.SQLITE_READONLY: ("it is read-only", _WRITABLE_HINT),
    sqlite3.SQLITE_CANTOPEN: ("it, or a file beside it, cannot be opened", _WRITABLE_HINT),
    sqlite3.SQLITE_PERM: ("it may not be accessed", _WRITABLE_HINT),
}
_DAMAGED: Final = {
    sqlite3.SQLITE_CORRUPT: "it is damaged",
    sqlite3.SQLITE_NOTADB: "it is no SQLite file, or its beginning is damaged",
}


def running_error(path: Path, action: str, error: sqlite3.Error) -> ServerError:
    """Return what to raise for ``error``, met while the state was ``read`` or ``written``."""
    primary = _primary_code(error)
    outcome = "; nothing was changed" if action == "written" else ""
    if primary in _PASSING:
        cause, hint = _PASSING[primary]
        return StateUnavailableError(f"the state in {path} cannot be {action}, {cause}: {error}{outcome}", hint=hint)
    cause = _DAMAGED.get(primary, "SQLite refuses it")
    return StateError(f"the state in {path} cannot be {action}, {cause}: {error}{outcome}", hint=_BACKUP_HINT)


def opening_error(path: Path, error: Exception) -> StartError:
    """Return what to raise for ``error``, met while the state was being opened."""
    if isinstance(error, sqlite3.Error):
        primary = _primary_code(error)
        cause, hint = _PASSING.get(primary, (_DAMAGED.get(primary, "SQLite refuses it"), _BACKUP_HINT))
        return StartError(f"the state in {path} cannot be opened, {cause}: {error}", hint=hint)
    if isinstance(error, FileNotFoundError):
        return StartError(f"the state in {path} cannot be opened: there is no such directory", hint="create it")
    reason = error.strerror if isinstance(error, OSError) else error
    hint = _WRITABLE_HINT if isinstance(error, PermissionError) else _BACKUP_HINT
    return StartError(f"the state in {path} cannot be opened for writing: {reason}", hint=hint)


def damaged_error(path: Path, finding: str) -> StartError:
    """Return what to raise for a file that an integrity check found damaged."""
    return StartError(f"the state in {path} is damaged and was not touched: {finding}", hint=_BACKUP_HINT)


def _primary_code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
