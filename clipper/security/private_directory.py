"""The run directory: sockets, state and logs lie in it, so nobody else may enter it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from clipper.config import CONFIG_FILE_NAME
from clipper.errors import StartError

# What processes of Clipper create is for their user alone, whatever mode they ask for.
PRIVATE_UMASK: Final = 0o077


def make_private(path: Path) -> None:
    """Make a directory that only this user can enter, or make sure that an existing one is.

    One that is empty, or was Clipper's before, is closed to others; any other that is open to them is left alone, for
    somebody else's files may be in it.

    Raises
    ------
    StartError
        It cannot be made, belongs to somebody else, or is open to others and not Clipper's.
    """
    name = f"run_dir={str(path)!r}"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
        if status.st_uid != os.geteuid():
            raise StartError(
                f"{name} belongs to the user {status.st_uid}, and Clipper runs as {os.geteuid()}", hint="choose another"
            )
        mode = stat.S_IMODE(status.st_mode)
        if not mode & 0o077:
            return
        if any(path.iterdir()) and not (path / CONFIG_FILE_NAME).exists():
            raise StartError(
                f"{name} has the mode {mode:04o}, so others can enter it, and it holds files that are not Clipper's",
                hint=f"choose a directory of its own, or: chmod 700 {path}",
            )
        path.chmod(0o700)
    except OSError as error:
        raise StartError(f"{name} cannot be used: {error}", hint="choose another") from error
