"""Who listens on a port: read from /proc, as far as this user may look."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_TABLES: Final = ("/proc/net/tcp", "/proc/net/tcp6")
_LISTENING: Final = "0A"  # TCP_LISTEN in include/net/tcp_states.h


def listeners_on(port: int) -> list[int]:
    """Return the processes that hold a listening socket of ``port``, the eldest first: a parent before its workers."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    return _processes_with(sockets) if sockets else []


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
