"""Who may read what a container sees: its user is never root, and what it is shown belongs to Clipper's own user.

A Clipper that is not root gives its containers its own user, who may read all of it. A Clipper of root gives them
another one, and lets that one's group read what they are shown: sockets, a model's files, keys.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Final

from clipper.config import DockerConfig
from clipper.errors import InvalidArgumentError

UNPRIVILEGED_USER: Final = "65532:65532"  # "nonroot" of many small images


def container_user(config: DockerConfig) -> str:
    """Return ``UID:GID`` of the containers."""
    if config.user:
        return config.user
    return UNPRIVILEGED_USER if os.geteuid() == 0 else f"{os.geteuid()}:{os.getegid()}"


def share_directory(directory: Path, user: str) -> None:
    """Let the containers' group enter a directory and read in it; nothing to do for one's own user.

    Raises
    ------
    OSError
        It may not be changed: Clipper is neither root nor a member of that group.
    """
    uid, gid = _ids(user)
    if uid == os.geteuid():
        return
    os.chown(directory, -1, gid)
    os.chmod(directory, 0o750)


def share_socket(path: Path, user: str) -> None:
    """Let the containers' group connect to a socket; raises as `share_directory`."""
    uid, gid = _ids(user)
    if uid == os.geteuid():
        return
    os.chown(path, -1, gid)
    os.chmod(path, 0o660)


def share_files(root: Path, user: str) -> None:
    """Let the containers' group read a model's files; links are neither followed nor changed. Raises as above."""
    uid, gid = _ids(user)
    if uid == os.geteuid() or not root.is_dir():
        return
    for directory, _, files in os.walk(root):
        share_directory(Path(directory), user)
        for name in files:
            path = Path(directory, name)
            if stat.S_ISREG(path.lstat().st_mode):
                os.chown(path, -1, gid)
                os.chmod(path, 0o640)


def copy_keys(source: Path, target: Path, user: str) -> Path:
    """Write a container's keys where the containers' user alone reads them, and return that path.

    Raises
    ------
    InvalidArgumentError
        There is no such file, or it cannot be given to that user.
    """
    uid, gid = _ids(user)
    try:
        text = source.read_bytes()
        with contextlib.suppress(FileNotFoundError):
            target.unlink()
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            if uid != os.geteuid():
                os.fchown(descriptor, uid, gid)
            file.write(text)
    except OSError as error:
        raise InvalidArgumentError(
            f"the keys of containers in {str(source)!r} cannot be used for docker.rpc=tcp: {error.strerror}",
            hint="python -m clipper.security rpc-keys DIRECTORY makes them",
        ) from error
    return target


def _ids(user: str) -> tuple[int, int]:
    uid, _, gid = user.partition(":")
    return int(uid), int(gid)
