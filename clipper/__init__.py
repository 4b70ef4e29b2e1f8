"""Clipper: low-latency prediction serving.

Everything a user needs is importable from here and loaded when it is first used; importing ``clipper`` imports
neither the compiled core nor the HTTP stack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clipper.version import VERSION

if TYPE_CHECKING:
    from clipper.errors import (
        AlreadyExistsError,
        CallerError,
        ClipperError,
        ConflictError,
        DeployError,
        InternalError,
        InvalidArgumentError,
        ModelError,
        NotFoundError,
        ProtocolError,
        ServerError,
        StartError,
        UnavailableError,
    )
    from clipper.management.client import Clipper
    from clipper.management.prediction import Prediction

__version__ = VERSION

_HOMES = {
    "AlreadyExistsError": "clipper.errors",
    "CallerError": "clipper.errors",
    "Clipper": "clipper.management.client",
    "ClipperError": "clipper.errors",
    "ConflictError": "clipper.errors",
    "DeployError": "clipper.errors",
    "InternalError": "clipper.errors",
    "InvalidArgumentError": "clipper.errors",
    "ModelError": "clipper.errors",
    "NotFoundError": "clipper.errors",
    "Prediction": "clipper.management.prediction",
    "ProtocolError": "clipper.errors",
    "ServerError": "clipper.errors",
    "StartError": "clipper.errors",
    "UnavailableError": "clipper.errors",
}

__all__ = [
    "AlreadyExistsError",
    "CallerError",
    "Clipper",
    "ClipperError",
    "ConflictError",
    "DeployError",
    "InternalError",
    "InvalidArgumentError",
    "ModelError",
    "NotFoundError",
    "Prediction",
    "ProtocolError",
    "ServerError",
    "StartError",
    "UnavailableError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'clipper' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_HOMES))
