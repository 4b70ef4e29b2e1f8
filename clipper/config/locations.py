"""Where the configuration file and the run directory are looked for, when nobody names them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

FILE_VARIABLE: Final = "CLIPPER_CONFIG"
FILE_NAME: Final = "clipper.toml"


def find_config_file(environment: Mapping[str, str]) -> Path | None:
    """Return ``./clipper.toml``, or ``clipper/clipper.toml`` under ``$XDG_CONFIG_HOME``, or None if neither exists."""
    candidates = (Path.cwd() / FILE_NAME, _base(environment, "XDG_CONFIG_HOME", ".config") / "clipper" / FILE_NAME)
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def default_run_dir(environment: Mapping[str, str]) -> Path:
    """Return the run directory of ``clipper start``: ``clipper/default`` under ``$XDG_STATE_HOME``.

    Not under /tmp: the applications and models of this Clipper survive a restart of the machine.
    """
    return _base(environment, "XDG_STATE_HOME", ".local/state") / "clipper" / "default"


def _base(environment: Mapping[str, str], variable: str, under_home: str) -> Path:
    named = Path(environment.get(variable, ""))
    if named.is_absolute():  # the XDG specification has relative ones ignored
        return named
    home = environment.get("HOME", "")
    return (Path(home) if home.startswith("/") else Path.home()) / under_home
