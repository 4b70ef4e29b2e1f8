"""The keys by which a container and a frontend know each other over TCP (ZeroMQ's CURVE).

CLIPPER_RPC_KEYS names a file of lines of two words: ``frontend_public_key``, ``public_key`` and ``secret_key``, each
with a key of 40 characters (Z85). Keys never stand in the environment or on a command line, which others can read.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import zmq

MAX_KEY_FILE_BYTES: Final = 4096
_KEY: Final = re.compile(r"[0-9A-Za-z.:+=^!/*?&<>()\[\]{}@%$#-]{40}")
_NAMES: Final = ("frontend_public_key", "public_key", "secret_key")


class RpcKeysError(Exception):
    """The file of keys is missing or not usable; the message never quotes what is in it."""


@dataclass(frozen=True)
class ContainerKeys:
    """Whom a container trusts, and how it proves who it is."""

    frontend_public_key: bytes
    public_key: bytes
    secret_key: bytes = field(repr=False)


def read_container_keys(path: Path) -> ContainerKeys:
    """Read the file that CLIPPER_RPC_KEYS names.

    Raises
    ------
    RpcKeysError
        It is missing, belongs to somebody else, can be read by others, or lacks a key.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise RpcKeysError(f"the file {str(path)!r} cannot be opened: {error.strerror}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise RpcKeysError(f"{str(path)!r} is no regular file")
        mode = stat.S_IMODE(status.st_mode)
        if mode & 0o077 or status.st_uid not in (os.geteuid(), 0):
            raise RpcKeysError(
                f"the file {str(path)!r} has the mode {mode:04o} and belongs to the user {status.st_uid}, expected "
                f"0600 and the user {os.geteuid()}: nobody else may read it"
            )
        text = os.read(descriptor, MAX_KEY_FILE_BYTES).decode("ascii", "replace")
    finally:
        os.close(descriptor)
    pairs = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    keys = {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
    for name in _NAMES:
        if _KEY.fullmatch(keys.get(name, "")) is None:
            raise RpcKeysError(f"the file {str(path)!r} has no valid {name}: expected a key of 40 characters (Z85)")
    return ContainerKeys(*(keys[name].encode("ascii") for name in _NAMES))


def secure_dealer(socket: zmq.Socket[Any], keys: ContainerKeys) -> None:
    """Let a DEALER talk only to a frontend that has the trusted key, and prove its own; before it connects."""
    import zmq

    socket.set(zmq.CURVE_SERVERKEY, keys.frontend_public_key)
    socket.set(zmq.CURVE_PUBLICKEY, keys.public_key)
    socket.set(zmq.CURVE_SECRETKEY, keys.secret_key)
