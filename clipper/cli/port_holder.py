"""Who listens on a port that is taken: read from /proc, as far as this user may look."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_TABLES: Final = ("/proc/net/tcp", "/proc/net/tcp6")
_LISTENING: Final = "0A"  # TCP_LISTEN in include/net/tcp_states.h
_MOST_SHOWN_CHARACTERS: Final = 80


def describe_holder(port: int) -> str:
    """Return who listens on ``port`` and what to do about it; "" if that cannot be told."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for pid in _processes_with(sockets) if sockets else ():
        words = _command_of(pid)
        if "clipper.supervisor" in words and "--run-dir" in words:
            run_dir = words[words.index("--run-dir") + 1]
            return f"another Clipper listens there: `clipper stop --run-dir {run_dir}` stops it"
        command = " ".join(words)
        shown = command if len(command) <= _MOST_SHOWN_CHARACTERS else f"{command[:_MOST_SHOWN_CHARACTERS]}..."
        return f"process {pid} listens there ({shown})"
    return ""


def _listening_inodes(port: int) -> Iterator[str]:
    for table in _TABLES:
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _processes_with(sockets: set[str]) -> list[int]:
    """Return the processes that hold one of these sockets, the eldest first: a supervisor before its workers."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            with os.scandir(entry / "fd") as descriptors:
                if any(_target(descriptor.path) in sockets for descriptor in descriptors):
                    found.append(int(entry.name))
        except OSError:  # it has ended, or is another user's
            continue
    return sorted(found)


def _target(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _command_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return []
