"""CURVE keys of the RPC over TCP: one pair for the frontends, one pair for each container or host of containers.

A directory holds all of it::

    frontend.keys           the frontends' pair: never leaves this host
    authorized_containers   NAME PUBLIC_KEY, one a line: who may join
    NAME.keys               what a container needs; CLIPPER_RPC_KEYS names it where the container runs

Lines are two words; ``#`` begins a comment. Keys are in Z85, the 40 characters that ZeroMQ uses (its RFC 32).
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clipper.errors import InvalidArgumentError
from clipper.security.secret_files import WatchedFile, read_secret_file, read_trusted_file, write_secret_file

if TYPE_CHECKING:
    import zmq

FRONTEND_KEYS_NAME: Final = "frontend.keys"
AUTHORIZED_NAME: Final = "authorized_containers"
DEFAULT_CONTAINER_NAME: Final = "container"
ZAP_DOMAIN: Final = b"clipper-rpc"
HANDSHAKE_LIMIT_US: Final = 10_000_000  # from a container's connection to the end of its handshake
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
_KEY: Final = re.compile(r"[0-9A-Za-z.:+=^!/*?&<>()\[\]{}@%$#-]{40}")
_MAKE_THEM: Final = "python -m clipper.security rpc-keys DIRECTORY makes them"


@dataclass(frozen=True, slots=True)
class FrontendKeys:
    """The frontends' key pair, and who may join."""

    public_key: bytes
    secret_key: bytes = field(repr=False)
    authorized: WatchedFile[Mapping[bytes, str]] = field(repr=False)  # names by public key


def secure_router(socket: zmq.Socket[Any], keys: FrontendKeys) -> None:
    """Let a ROUTER take only containers that prove an authorized key, on every endpoint that it binds from now on.

    Whether a key is authorized is asked of a `ContainerGate` in the same ZeroMQ context; without one nobody joins.
    Messages pass neither it nor anything else on the way: it is asked once a connection.
    """
    import zmq

    socket.set(zmq.CURVE_SERVER, 1)
    socket.set(zmq.CURVE_SECRETKEY, keys.secret_key)
    socket.set(zmq.ZAP_DOMAIN, ZAP_DOMAIN)
    socket.set(zmq.ZAP_ENFORCE_DOMAIN, 1)  # else a missing gate would mean: encrypted, but open to all
    socket.set(zmq.HANDSHAKE_IVL, HANDSHAKE_LIMIT_US // 1000)


def read_frontend_keys(directory: Path) -> FrontendKeys:
    """Return the keys that a frontend serves with.

    Raises
    ------
    InvalidArgumentError
        A file is missing, may be read (or, of the public keys, changed) by others, or does not say what it should.
        Errors never quote a key.
    """
    import zmq

    path = directory / FRONTEND_KEYS_NAME
    words = _read_pairs(path, read_secret_file(path, "file of RPC keys"))
    public_key, secret_key = (_key(words, name, path) for name in ("public_key", "secret_key"))
    if zmq.curve_public(secret_key) != public_key:
        raise InvalidArgumentError(f"the two keys in {str(path)!r} are no pair", hint=_MAKE_THEM)
    return FrontendKeys(public_key, secret_key, WatchedFile(directory / AUTHORIZED_NAME, read_authorized))


def read_authorized(path: Path) -> dict[bytes, str]:
    """Return the names of the containers that may join, by public key; raises as `read_frontend_keys`."""
    pairs = _read_pairs(path, read_trusted_file(path, "file of authorized containers"))
    return {_key(pairs, name, path): name for name in pairs}


def make_rpc_keys(directory: Path, name: str = DEFAULT_CONTAINER_NAME) -> Path:
    """Make the keys of a container, and those of the frontends if there are none; return the container's file.

    Raises
    ------
    InvalidArgumentError
        The name is not usable or taken, or a file cannot be written or is not usable.
    """
    import zmq

    if _NAME.fullmatch(name) is None or name == "frontend":
        raise InvalidArgumentError(
            f"name={name!r} is not valid: expected up to 63 of a-z, 0-9, '.' and '-', not beginning with the last two, "
            "and not 'frontend'"
        )
    authorized_path, container_path = directory / AUTHORIZED_NAME, directory / f"{name}.keys"
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700, parents=True)
    if not (directory / FRONTEND_KEYS_NAME).exists():
        public_key, secret_key = zmq.curve_keypair()
        head = "# The key pair of Clipper's frontends. It never leaves this host.\n"
        write_secret_file(directory / FRONTEND_KEYS_NAME, head + _lines(public_key=public_key, secret_key=secret_key))
        if not authorized_path.exists():
            write_secret_file(authorized_path, "# Who may join: a name and a public key.\n")
    frontend = read_frontend_keys(directory)
    authorized = frontend.authorized.value()
    if name in authorized.values():
        raise InvalidArgumentError(
            f"{str(authorized_path)!r} has a container {name!r} already",
            hint="choose another name, or remove its line and its file first",
        )
    public_key, secret_key = zmq.curve_keypair()
    head = f"# The keys of the container {name}. CLIPPER_RPC_KEYS names this file; mode 0600.\n"
    body = _lines(frontend_public_key=frontend.public_key, public_key=public_key, secret_key=secret_key)
    write_secret_file(container_path, head + body)
    text = authorized_path.read_text(encoding="utf-8")
    new_path = authorized_path.with_suffix(".new")
    write_secret_file(new_path, f"{text.rstrip()}\n{name} {public_key.decode()}\n")
    os.replace(new_path, authorized_path)  # a frontend never reads half a file
    return container_path


def _lines(**keys: bytes) -> str:
    return "".join(f"{name} {key.decode('ascii')}\n" for name, key in keys.items())


def _read_pairs(path: Path, text: str) -> dict[str, str]:
    """Return first and second word of each line."""
    pairs: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2 or words[0] in pairs:
            raise InvalidArgumentError(f"line {number} of {str(path)!r} is not a new name and a key")
        pairs[words[0]] = words[1]
    return pairs


def _key(pairs: Mapping[str, str], name: str, path: Path) -> bytes:
    value = pairs.get(name, "")
    if _KEY.fullmatch(value) is None:
        problem = "has no" if not value else "has no valid"
        raise InvalidArgumentError(
            f"{str(path)!r} {problem} {name}: expected a key of 40 characters (Z85)", hint=_MAKE_THEM
        )
    return value.encode("ascii")
