"""Files that hold secrets: used only while nobody else can read them, and never quoted in an error or a log."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeAlias, TypeVar

from clipper.errors import InvalidArgumentError

MAX_SECRET_FILE_BYTES: Final = 64 * 1024  # hundreds of keys; more is some other file, named by mistake
_READ_BY_OTHERS: Final = 0o077
_WRITTEN_BY_OTHERS: Final = 0o022
_logger = logging.getLogger(__name__)
_Value = TypeVar("_Value")
FileStamp: TypeAlias = tuple[int, int, int, int, int]


def read_secret_file(path: Path, what: str) -> str:
    """Return the text of a file that only its owner may read.

    Parameters
    ----------
    what : str
        What the file is, for the error: "token file".

    Raises
    ------
    InvalidArgumentError
        It is missing, belongs to somebody else, can be read by others, or is no text of at most
        ``MAX_SECRET_FILE_BYTES``. The error never holds what is in the file.
    """
    return _read(path, what, _READ_BY_OTHERS, "expected 0600", "chmod 600")


def read_trusted_file(path: Path, what: str) -> str:
    """Return the text of a file that only its owner may change; others may read it.

    Raises
    ------
    InvalidArgumentError
        As for `read_secret_file`, but for who may write.
    """
    return _read(path, what, _WRITTEN_BY_OTHERS, "so others may change it", "chmod go-w")


def write_secret_file(path: Path, text: str) -> None:
    """Create a file that only its owner may read.

    Raises
    ------
    InvalidArgumentError
        It exists, or cannot be created.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise InvalidArgumentError(
            f"{str(path)!r} exists already", hint="remove it first, or name another file"
        ) from None
    except OSError as error:
        raise InvalidArgumentError(f"{str(path)!r} cannot be created: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)


def _read(path: Path, what: str, forbidden_mode: int, expected: str, remedy: str) -> str:
    name = f"the {what} {str(path)!r}"
    try:
        # Without O_NONBLOCK a named pipe would be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise InvalidArgumentError(f"{name} does not exist", hint="see docs/security.md for how to make one") from None
    except OSError as error:
        raise InvalidArgumentError(f"{name} cannot be opened: {error.strerror}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise InvalidArgumentError(f"{name} is no regular file")
        if status.st_uid not in (os.geteuid(), 0):
            raise InvalidArgumentError(
                f"{name} belongs to the user {status.st_uid}, and Clipper runs as {os.geteuid()}",
                hint="the file must belong to the user that runs Clipper, or to root",
            )
        mode = stat.S_IMODE(status.st_mode)
        if mode & forbidden_mode:
            raise InvalidArgumentError(f"{name} has the mode {mode:04o}, {expected}", hint=f"{remedy} {path}")
        data = os.read(descriptor, MAX_SECRET_FILE_BYTES + 1)  # of a regular file: as much as there is
    finally:
        os.close(descriptor)
    if len(data) > MAX_SECRET_FILE_BYTES:
        raise InvalidArgumentError(f"{name} is longer than {MAX_SECRET_FILE_BYTES} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidArgumentError(f"{name} is no text") from None


class WatchedFile(Generic[_Value]):
    """What a file says, read again whenever the file has changed.

    A file that became unusable gives no value rather than its old one: whoever removes a token or a key from it, and
    makes a mistake, must not leave the door open. One process and thread.

    Parameters
    ----------
    read : callable
        Turns the path into the value; raises InvalidArgumentError.
    """

    def __init__(self, path: Path, read: Callable[[Path], _Value]) -> None:
        self.path = path
        self._read = read
        self._stamp = file_stamp(path)
        self._value: _Value | None = read(path)
        self._error: InvalidArgumentError | None = None

    def value(self) -> _Value:
        """Return what the file says now.

        Raises
        ------
        InvalidArgumentError
            It is not usable now; logged once for each change.
        """
        stamp = file_stamp(self.path)
        if stamp != self._stamp:
            self._stamp, self._value, self._error = stamp, None, None
            try:
                self._value = self._read(self.path)
                _logger.info("%s has changed and was read again", self.path)
            except InvalidArgumentError as error:
                self._error = error
                _logger.error("%s", error)
        if self._value is None:
            raise self._error or InvalidArgumentError(f"{str(self.path)!r} is not usable")
        return self._value


def file_stamp(path: Path) -> FileStamp | None:
    """Return what differs after any change of the file, its mode included; None if it cannot be told."""
    with contextlib.suppress(OSError):
        status = path.stat()
        return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return None
