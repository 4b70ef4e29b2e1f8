"""What each source says: which keys it sets, to what, and where exactly. Nothing is converted here.

The order of the sources is told in `clipper.config.loader`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from clipper.config.keys import RUN_DIR, SEPARATOR, VARIABLE_PREFIX, Key, keys, nearest_key, nearest_section, sections
from clipper.config.locations import FILE_VARIABLE
from clipper.config.toml_lines import key_lines
from clipper.errors import InvalidArgumentError

# A file with every option and its comments takes about 10 KiB; what is much larger is no configuration.
MAX_FILE_BYTES: Final = 1 << 20
# Containers have variables of their own that look like this section's: CLIPPER_RPC_HEARTBEAT_INTERVAL_US.
_CONTAINERS_SECTION: Final = "rpc"


class SourceKind(StrEnum):
    """The sources, the strongest first."""

    COMMAND_LINE = "command line"
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from.

    Parameters
    ----------
    kind : SourceKind
        Compares equal to its text: ``command line``, ``environment``, ``file`` or ``default``.
    detail : str
        The argument, the variable, or ``path:line``; empty for a default.
    """

    kind: SourceKind
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind} ({self.detail})" if self.detail else str(self.kind)


@dataclass(frozen=True, slots=True)
class Setting:
    """One key as one source sets it."""

    key: Key
    raw: Any  # text, or what the TOML file holds
    origin: Origin
    base: Path  # what a relative path is relative to
    is_text: bool


def _unknown(name: str, origin: Origin, as_key: str, *, is_variable: bool = False) -> InvalidArgumentError:
    key = nearest_key(as_key)
    if as_key in sections():
        options = [str(key) for key in keys().values() if key.section == as_key]
        hint = f"it is a section, with the options {', '.join(options)}"
    elif key is None:
        hint = "`clipper config` lists all of them"
    else:
        hint = f"did you mean {(key.variable if is_variable else str(key))!r}?"
    return InvalidArgumentError(f"there is no option {name!r}: {origin}", hint=hint)


def from_command_line(overrides: Mapping[str, str]) -> list[Setting]:
    """Return what ``--set key=value`` arguments set.

    Raises
    ------
    InvalidArgumentError
        There is no such key.
    """
    settings = []
    for name, text in overrides.items():
        origin = Origin(SourceKind.COMMAND_LINE, f"--set {name}")
        if name not in keys():
            raise _unknown(name, origin, name)
        settings.append(Setting(keys()[name], text, origin, _working_directory(), is_text=True))
    return settings


def from_environment(environment: Mapping[str, str]) -> list[Setting]:
    """Return what the variables set. Of all that begin with CLIPPER_ only those with a double underscore are ours.

    Raises
    ------
    InvalidArgumentError
        Such a variable names no key; or it names one but for the second underscore, and would do nothing.
    """
    by_variable = {key.variable: key for key in keys().values()}
    by_slip = {
        variable.replace(SEPARATOR, "_"): variable
        for variable, key in by_variable.items()
        if key.section not in ("", _CONTAINERS_SECTION)
    }
    settings = []
    for name, text in environment.items():
        if not name.startswith(VARIABLE_PREFIX) or name == FILE_VARIABLE:
            continue
        origin = Origin(SourceKind.ENVIRONMENT, name)
        if name in by_variable:
            settings.append(Setting(by_variable[name], text, origin, _working_directory(), is_text=True))
        elif name in by_slip:
            hint = f"did you mean {by_slip[name]!r}, with two underscores after the section?"
            raise InvalidArgumentError(f"there is no option {name!r}: {origin}", hint=hint)
        elif SEPARATOR in name:
            as_key = name.removeprefix(VARIABLE_PREFIX).replace(SEPARATOR, ".", 1).strip(".").lower()
            raise _unknown(name, origin, as_key, is_variable=True)
    return settings


def from_file(path: Path) -> list[Setting]:
    """Return what a TOML file sets.

    Raises
    ------
    InvalidArgumentError
        It cannot be read, is not TOML, or has a section or a key that does not exist.
    """
    path = absolute(path)
    text = _read(path)
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidArgumentError(f"{path} is not valid TOML: {error}") from None
    lines = key_lines(text)
    settings = []

    def origin(*names: str) -> Origin:
        return Origin(SourceKind.FILE, f"{path}:{lines.get(names, 1)}")

    for section, content in document.items():
        if section == RUN_DIR:
            settings.append(Setting(keys()[RUN_DIR], content, origin(RUN_DIR), path.parent, is_text=False))
            continue
        if section not in sections():
            if not isinstance(content, dict):
                raise _unknown(section, origin(section), section)
            message = f"there is no section [{section}]: {origin(section)}"
            raise InvalidArgumentError(message, hint=nearest_section(section))
        if not isinstance(content, dict):
            hint = f"write [{section}], and below it a line for each option"
            raise InvalidArgumentError(f"{section!r} is a section: {origin(section)}", hint=hint)
        for name, value in content.items():
            full_name = f"{section}.{name}"
            if full_name not in keys():
                raise _unknown(full_name, origin(section, name), full_name)
            settings.append(Setting(keys()[full_name], value, origin(section, name), path.parent, is_text=False))
    return settings


def absolute(path: Path) -> Path:
    """Return ``path`` counted from the working directory.

    Raises
    ------
    InvalidArgumentError
        It is relative, and the working directory is gone.
    """
    return path if path.is_absolute() else _working_directory() / path


def _working_directory() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise InvalidArgumentError(f"the working directory cannot be used: {error.strerror}") from None


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        text = content.decode().replace("\r\n", "\n")
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidArgumentError(f"the configuration file {str(path)!r} cannot be read: {reason}") from None
    except UnicodeDecodeError as error:
        raise InvalidArgumentError(f"the configuration file {str(path)!r} is not UTF-8: {error}") from None
    except ValueError as error:  # a NUL in the name
        raise InvalidArgumentError(f"the configuration file {str(path)!r} cannot be read: {error}") from None
    if len(content) > MAX_FILE_BYTES:
        raise InvalidArgumentError(f"the configuration file {str(path)!r} is larger than {MAX_FILE_BYTES} bytes")
    return text
