"""The way of a model's files from this process to the server: by a directory of this machine, or as a tar."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from clipper.client.api_paths import API, DEPLOY_LIMIT_US
from clipper.client.http_client import HttpClient
from clipper.client.urls import is_loopback
from clipper.errors import UnavailableError

_TAR: Final = "application/x-tar"


@contextlib.contextmanager
def local_directory(status: Mapping[str, Any], management_url: str, is_own: bool) -> Iterator[tuple[Path, bool]]:
    """Give an empty directory for a model's files, and whether the server sees it, too.

    It is removed at the end, unless the server has moved it away.

    Parameters
    ----------
    is_own : bool
        This process has started the server.
    """
    staging = Path(status["staging_dir"])
    is_shared = is_own or _runs_here(Path(status["run_dir"]), management_url)
    try:
        directory = Path(tempfile.mkdtemp(dir=staging if is_shared else None))
    except OSError as error:
        if is_shared and not is_own:  # it runs here, but as another user
            directory, is_shared = Path(tempfile.mkdtemp()), False
        else:
            raise _unwritten(error) from error
    try:
        yield directory, is_shared
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def save_files(save: Callable[[Path], None], directory: Path) -> None:
    """Let ``save`` write a model's files into ``directory``.

    Raises
    ------
    UnavailableError
        A disk is full, or a file cannot be read or written.
    """
    try:
        save(directory)
    except OSError as error:
        raise _unwritten(error) from error


def upload(management: HttpClient, directory: Path) -> str:
    """Send the files of ``directory`` as a tar, and return what the server calls them.

    Raises
    ------
    UnavailableError
        The disk for temporary files does not take the tar, or the server cannot be reached.
    """
    try:  # around all of it: a buffer that a full disk did not take fails once more when the file is closed
        with tempfile.TemporaryFile() as file:
            with tarfile.open(fileobj=file, mode="w") as tar:
                for path in sorted(directory.rglob("*")):
                    tar.add(path, str(path.relative_to(directory)), recursive=False, filter=_anonymous)
            file.seek(0)
            answer = management.send_file(f"{API}/files", file, _TAR, limit_us=DEPLOY_LIMIT_US)
    except OSError as error:
        raise _unwritten(error) from error
    return str(answer["files"])


def _unwritten(error: OSError) -> UnavailableError:
    return UnavailableError(
        f"the model's files cannot be written: {error}", hint="see the free space, and who may read and write there"
    )


def size_bytes(directory: Path) -> int:
    """Return how much there is to send."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Say nothing about this machine's users."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _runs_here(run_dir: Path, management_url: str) -> bool:
    """Whether the instance behind the URL is the one whose run directory lies on this machine.

    The URL may be the mouth of a tunnel, and the other machine may have a run directory of the same name: so the
    instance of the directory must be alive, which its lock tells, and have the port of the URL.
    """
    port = urlsplit(management_url).port
    if not is_loopback(management_url) or port is None:
        return False
    try:
        listen = json.loads((run_dir / "config.json").read_text(encoding="utf-8"))["listen"]
        return listen["management_port"] == port and _is_locked(run_dir / "supervisor.lock")
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _is_locked(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
