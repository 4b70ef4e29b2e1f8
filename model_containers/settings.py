"""What a container is told by its environment, and its named limits."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final

from model_containers import log_lines, wire
from model_containers.rpc_keys import ContainerKeys, RpcKeysError, read_container_keys

EXIT_DONE: Final = 0  # drained, or told to stop
EXIT_SETTINGS: Final = 2  # the environment is not usable
EXIT_REFUSED: Final = 3  # the frontend refused the registration, or speaks another version
EXIT_MODEL: Final = 4  # the model could not be loaded or warmed up
EXIT_ORPHANED: Final = 5  # no frontend was heard for orphan_exit_us

LIMIT_PREFIX: Final = "CLIPPER_RPC_"
LOG_FORMAT_VARIABLE: Final = "CLIPPER_LOG_FORMAT"
LOG_LEVEL_VARIABLE: Final = "CLIPPER_LOG_LEVEL"


class SettingsError(Exception):
    """An environment variable is missing or not usable."""


@dataclass(frozen=True)
class ContainerLimits:
    """Times of the session; ``CLIPPER_RPC_`` and the name in capitals overrides one."""

    heartbeat_interval_us: int = 200_000  # longest time between two signs of life from here
    frontend_silence_us: int = 5_000_000  # then connect afresh, to the next address; ten missed heartbeats
    orphan_exit_us: int = 600_000_000  # then exit: a restarted frontend is back long before
    drain_answer_us: int = 250_000  # after SIGTERM: how long to wait, with empty hands, for the frontend's DRAIN
    flush_us: int = 1_000_000  # how long the last messages may take to leave when a connection is closed

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if value <= 0:
                raise SettingsError(f"{limit.name} is {value}, expected a positive number of microseconds")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> ContainerLimits:
        """Read the limits that the environment overrides."""
        given = {}
        for limit in fields(cls):
            text = environment.get(LIMIT_PREFIX + limit.name.upper())
            if text is not None:
                given[limit.name] = read_number(LIMIT_PREFIX + limit.name.upper(), text)
        return cls(**given)


@dataclass(frozen=True)
class ContainerSettings:
    """Who this container is and where it connects."""

    addresses: tuple[str, ...]  # tried in turn
    model: str
    version: str
    replica_id: str
    input_type: str = "doubles"
    model_path: Path | None = None  # the directory with the model's files; None = the model needs none
    nonce: str = field(default_factory=lambda: secrets.token_hex(8))  # tells this process from another one
    limits: ContainerLimits = field(default_factory=ContainerLimits)
    keys: ContainerKeys | None = None  # for addresses that begin with tcp://; the others need none

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> ContainerSettings:
        """Read the ``CLIPPER_*`` variables.

        Raises
        ------
        SettingsError
            If one is missing or not usable; the message names it.
        """
        model, version = _required(environment, "CLIPPER_MODEL_NAME"), _required(environment, "CLIPPER_MODEL_VERSION")
        input_type = environment.get("CLIPPER_INPUT_TYPE", "doubles")
        if input_type not in INPUT_TYPES:
            raise SettingsError(f"CLIPPER_INPUT_TYPE is {input_type!r}, expected one of {', '.join(INPUT_TYPES)}")
        path = environment.get("CLIPPER_MODEL_PATH")
        addresses = read_addresses(_required(environment, "CLIPPER_RPC_ADDRESS"))
        return cls(
            addresses=addresses,
            model=model,
            version=version,
            replica_id=environment.get("CLIPPER_REPLICA_ID") or f"{model}:{version}:{secrets.token_hex(4)}",
            input_type=input_type,
            model_path=Path(path) if path else None,
            limits=ContainerLimits.from_environment(environment),
            keys=_read_keys(environment.get(KEYS_VARIABLE, ""), addresses),
        )

    def model_file(self, name: str) -> Path:
        """Return the path of one of the model's files.

        Raises
        ------
        SettingsError
            If CLIPPER_MODEL_PATH is not set or the file is not there.
        """
        if self.model_path is None:
            raise SettingsError("CLIPPER_MODEL_PATH is not set, expected the directory with the model's files")
        path = self.model_path / name
        if not path.is_file():
            raise SettingsError(f"CLIPPER_MODEL_PATH: there is no file {path}")
        return path


@dataclass(frozen=True)
class LogSettings:
    """How a container logs."""

    form: str = "text"
    level: str = "info"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> LogSettings:
        """Read ``CLIPPER_LOG_FORMAT`` and ``CLIPPER_LOG_LEVEL``.

        Raises
        ------
        SettingsError
            If one is set to something else than what it may be.
        """
        return cls(
            _choice(environment, LOG_FORMAT_VARIABLE, cls.form, log_lines.FORMATS),
            _choice(environment, LOG_LEVEL_VARIABLE, cls.level, log_lines.LEVELS),
        )


INPUT_TYPES: Final = tuple(kind.name.lower() for kind in wire.InputType)
KEYS_VARIABLE: Final = "CLIPPER_RPC_KEYS"
TRANSPORTS: Final = ("ipc://", "tcp://", "inproc://")


def read_addresses(text: str) -> tuple[str, ...]:
    """Split addresses separated by spaces or commas.

    Raises
    ------
    SettingsError
        If there is none, or one is no ZeroMQ endpoint.
    """
    addresses = tuple(text.replace(",", " ").split())
    if not addresses:
        raise SettingsError("no RPC address given, expected one such as ipc:///run/clipper/rpc-0.sock")
    for address in addresses:
        if not address.startswith(TRANSPORTS):
            raise SettingsError(f"RPC address {address!r} does not start with one of {', '.join(TRANSPORTS)}")
    return addresses


def _read_keys(path: str, addresses: tuple[str, ...]) -> ContainerKeys | None:
    if not path:
        exposed = [address for address in addresses if address.startswith("tcp://")]
        if exposed:
            raise SettingsError(f"{KEYS_VARIABLE} is not set, expected the file with the keys for {exposed[0]}")
        return None
    try:
        return read_container_keys(Path(path))
    except RpcKeysError as error:
        raise SettingsError(f"{KEYS_VARIABLE}: {error}") from error


def read_number(name: str, text: str) -> int:
    """Read a whole number from an environment variable."""
    try:
        return int(text)
    except ValueError:
        raise SettingsError(f"{name} is {text!r}, expected a whole number") from None


def _choice(environment: Mapping[str, str], name: str, default: str, choices: Sequence[str]) -> str:
    value = environment.get(name) or default
    if value not in choices:
        raise SettingsError(f"{name} is {value!r}, expected one of {', '.join(choices)}")
    return value


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise SettingsError(f"{name} is not set")
    return value
