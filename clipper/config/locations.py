"""Where the configuration file and the run directory are looked for, when nobody names them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from clipper.errors import InvalidArgumentError

FILE_VARIABLE: Final = "CLIPPER_CONFIG"
FILE_NAME: Final = "clipper.toml"


def find_config_file(environment: Mapping[str, str]) -> Path | None:
    """Return ``./clipper.toml``, or ``clipper/clipper.toml`` under ``$XDG_CONFIG_HOME``, or None if neither exists."""
    users = _base(environment, "XDG_CONFIG_HOME", ".config")
    candidates = [Path(FILE_NAME), *([users / "clipper" / FILE_NAME] if users else [])]
    # Of os.path: false, too, where the user may not look.
    return next((candidate.absolute() for candidate in candidates if os.path.isfile(candidate)), None)


def default_run_dir(environment: Mapping[str, str]) -> Path:
    """Return the run directory of ``clipper start``: ``clipper/default`` under ``$XDG_STATE_HOME``.

    Not under /tmp: the applications and models of this Clipper survive a restart of the machine.

    Raises
    ------
    InvalidArgumentError
        The user has no home directory, as in some containers.
    """
    base = _base(environment, "XDG_STATE_HOME", ".local/state")
    if base is None:
        message = "there is no default for run_dir: this user has no home directory"
        raise InvalidArgumentError(message, hint="choose a run_dir, or set HOME or XDG_STATE_HOME")
    return base / "clipper" / "default"


def _base(environment: Mapping[str, str], variable: str, under_home: str) -> Path | None:
    named = Path(environment.get(variable, ""))
    if named.is_absolute():  # the XDG specification has relative ones ignored
        return named
    home = environment.get("HOME", "")
    try:
        return (Path(home) if home.startswith("/") else Path.home()) / under_home
    except RuntimeError:
        return None
