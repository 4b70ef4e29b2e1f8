"""``<run_dir>/config.json``: the configuration as one process of an instance hands it to the others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipper.config.instance import CONFIG_FILE_NAME, ClipperConfig
from clipper.config.keys import sections
from clipper.config.option import about, types_of
from clipper.config.values import ValueRefused, from_document
from clipper.errors import InvalidArgumentError


def read_config(run_dir: Path) -> ClipperConfig:
    """Return the configuration that was written to ``run_dir``, or the defaults if there is none.

    Raises
    ------
    InvalidArgumentError
        The file is not the configuration of this version of Clipper.
    """
    path = run_dir / CONFIG_FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ClipperConfig(run_dir=run_dir)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"{path} cannot be read: {error}") from error
    return parse_config(text, run_dir, str(path))


def parse_config(text: str, run_dir: Path, source: str) -> ClipperConfig:
    """Return the configuration that `ClipperConfig.to_json` wrote; ``source`` is for the error.

    Raises
    ------
    InvalidArgumentError
        The text is not the configuration of this version of Clipper.
    """
    try:
        document = json.loads(text)
        built = {name: _section(owner, document[name], run_dir) for name, owner in sections().items()}
        return ClipperConfig(run_dir=run_dir, remove_run_dir=bool(document["remove_run_dir"]), **built)
    except InvalidArgumentError as error:
        message = f"{source} is not a configuration of this version of Clipper: {error.message}"
        raise InvalidArgumentError(message, hint=error.hint) from None
    except (ValueError, KeyError, TypeError, RecursionError, ValueRefused) as error:
        raise InvalidArgumentError(f"{source} is not a configuration of this version of Clipper: {error!r}") from None


def _section(owner: type[Any], document: Any, base: Path) -> Any:
    if not isinstance(document, Mapping):
        raise TypeError(f"{owner.__name__} is {document!r}")
    kinds = types_of(owner)
    return owner(
        **{name: from_document(value, kinds[name], about(owner, name), base) for name, value in document.items()}
    )
