"""Classes and functions of users, named as "package.module:attribute"."""

from __future__ import annotations

import importlib
import re
from typing import Any, Final

from clipper.errors import InvalidArgumentError

_NAME: Final = r"[^\W\d]\w*"
_PATH: Final = re.compile(rf"{_NAME}(\.{_NAME})*:{_NAME}(\.{_NAME})*")


def is_import_path(text: str) -> bool:
    """Whether a text has the form of an import path."""
    return _PATH.fullmatch(text) is not None


def imported(path: str, what: str) -> Any:
    """Return what an import path names.

    Raises
    ------
    InvalidArgumentError
        If the module cannot be imported, whatever it raises, or has no such attribute.
    """
    module_name, _, attribute = path.partition(":")
    try:
        value: Any = importlib.import_module(module_name)
    except Exception as error:
        raise InvalidArgumentError(
            f"{what} {path!r} cannot be imported: {error!r}",
            hint="its module must be installed where Clipper runs, or stand in a directory of its PYTHONPATH",
        ) from error
    for name in attribute.split("."):
        if not hasattr(value, name):
            raise InvalidArgumentError(f"{what} {path!r}: {module_name} has no {attribute!r}")
        value = getattr(value, name)
    return value
