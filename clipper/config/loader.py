"""The effective configuration: command line over environment over TOML file over default, and who said what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipper.config.instance import ClipperConfig
from clipper.config.keys import RUN_DIR, Key, keys, sections
from clipper.config.locations import FILE_VARIABLE, default_run_dir, find_config_file
from clipper.config.option import OptionError
from clipper.config.rendering import masked
from clipper.config.sources import Origin, Setting, SourceKind, absolute, from_command_line, from_environment, from_file
from clipper.config.values import ValueRefused, from_document, from_text
from clipper.errors import InvalidArgumentError


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A configuration and where each of its values came from.

    Parameters
    ----------
    config : ClipperConfig
        The effective configuration.
    origins : mapping of str to Origin
        For every key, also those that no source sets.
    file : Path or None
        The TOML file that was read.
    """

    config: ClipperConfig
    origins: Mapping[str, Origin]
    file: Path | None = None


def load_config(
    *,
    file: Path | None = None,
    environment: Mapping[str, str],
    overrides: Mapping[str, str],
    run_dir: Path | None = None,
) -> LoadedConfig:
    """Return the effective configuration of ``clipper start``.

    Parameters
    ----------
    file : Path, optional
        The TOML file; default: what ``CLIPPER_CONFIG`` names, then ``./clipper.toml``, then
        ``$XDG_CONFIG_HOME/clipper/clipper.toml``, then none.
    environment : mapping of str to str
        ``CLIPPER_LISTEN__QUERY_PORT=80``: two underscores between section and field. Usually ``os.environ``.
    overrides : mapping of str to str
        From the command line: ``{"listen.query_port": "80"}``.
    run_dir : Path, optional
        From the command line too, over all others. Default: `default_run_dir`.

    Raises
    ------
    InvalidArgumentError
        A key that does not exist, or a value that is not valid: says which, from where, and what was expected.
    """
    if file is None:
        named = environment.get(FILE_VARIABLE, "")
        file = Path(named) if named else find_config_file(environment)
    chosen: dict[str, Setting] = {}
    said = [*(from_file(file) if file else []), *from_environment(environment), *from_command_line(overrides)]
    for setting in said:  # the strongest last
        chosen[str(setting.key)] = setting
    # Converted before a stronger source hides it: a mistake in the file is told, whatever the environment says.
    values = {id(setting): _convert(setting) for setting in said}
    by_section: dict[str, dict[str, Any]] = {"": {}}
    for setting in chosen.values():
        by_section.setdefault(setting.key.section, {})[setting.key.name] = values[id(setting)]
    origins = {name: chosen[name].origin if name in chosen else Origin(SourceKind.DEFAULT) for name in keys()}
    if run_dir is not None:
        by_section[""][RUN_DIR] = absolute(run_dir)
        origins[RUN_DIR] = Origin(SourceKind.COMMAND_LINE, "--run-dir")
    if RUN_DIR not in by_section[""]:
        by_section[""][RUN_DIR] = default_run_dir(environment)
    built = {name: _build(name, owner, by_section.get(name, {}), origins) for name, owner in sections().items()}
    config = _build("", ClipperConfig, {**by_section[""], **built}, origins)
    return LoadedConfig(config, origins, None if file is None else absolute(file))


def _convert(setting: Setting) -> Any:
    convert = from_text if setting.is_text else from_document
    try:
        return convert(setting.raw, setting.key.kind, setting.key.about, setting.base)
    except ValueRefused as refusal:
        shown = repr(masked(setting.key, setting.raw))
        raise _refuse(setting.key, shown, setting.origin, refusal.expected, refusal.hint) from None


def _build(section: str, owner: type[Any], values: Mapping[str, Any], origins: Mapping[str, Origin]) -> Any:
    try:
        return owner(**values)
    except OptionError as error:
        prefix = f"{section}." if section else ""
        key = keys()[prefix + error.name]
        # "at most other=5": the other may be the one that somebody has set.
        others = {word: prefix + word for word in re.findall(r"\w+", error.expected) if prefix + word in keys()}
        expected = error.expected + "".join(f", {told}" for told in _origins_told(others, origins))
        raise _refuse(key, error.shown, origins[str(key)], expected, error.hint) from None
    except InvalidArgumentError as error:  # sections that contradict each other: it names the options in full
        named = {word: word for word in re.findall(r"[\w.]+", error.message) if word in keys()}
        message = "; ".join([error.message, *_origins_told(named, origins)])
        raise InvalidArgumentError(message, hint=error.hint) from None


def _origins_told(named: Mapping[str, str], origins: Mapping[str, Origin]) -> list[str]:
    """Say where those of the options come from that somebody has set, as they are called in a message."""
    set_ones = [(called, origins[name]) for called, name in named.items() if origins[name].kind != SourceKind.DEFAULT]
    return [f"{called} is from {origin}" for called, origin in set_ones]


def _refuse(key: Key, shown: str, origin: Origin, expected: str, hint: str) -> InvalidArgumentError:
    whence = "this is the default" if origin.kind == SourceKind.DEFAULT else f"from {origin}"
    return InvalidArgumentError(f"{key}={shown} is not valid: expected {expected}; {whence}", hint=hint)
