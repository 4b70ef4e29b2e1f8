"""Clipper: low-latency prediction serving.

Everything a user needs is importable from here and loaded when it is first used; importing ``clipper`` imports
neither the compiled core nor the HTTP stack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clipper.version import VERSION

if TYPE_CHECKING:
    from clipper.client.clipper import Clipper
    from clipper.client.feedback import Feedback
    from clipper.client.listings import ApplicationInfo, ModelInfo, ReplicaInfo, VersionInfo
    from clipper.client.policy_info import ArmInfo, PolicyInfo
    from clipper.client.prediction import Prediction
    from clipper.client.progress import Progress
    from clipper.errors import (
        AlreadyExistsError,
        CallerError,
        ClipperError,
        ConflictError,
        ContradictoryFeedbackError,
        DeployError,
        FeedbackDisabledError,
        InternalError,
        InvalidArgumentError,
        ModelError,
        NotFoundError,
        ProtocolError,
        ServerError,
        StartError,
        StateError,
        StateUnavailableError,
        TooLargeError,
        UnauthorizedError,
        UnavailableError,
        UnknownQueryError,
    )

__version__ = VERSION

_HOMES = {
    "AlreadyExistsError": "clipper.errors",
    "ApplicationInfo": "clipper.client.listings",
    "ArmInfo": "clipper.client.policy_info",
    "CallerError": "clipper.errors",
    "Clipper": "clipper.client.clipper",
    "ClipperError": "clipper.errors",
    "ConflictError": "clipper.errors",
    "ContradictoryFeedbackError": "clipper.errors",
    "DeployError": "clipper.errors",
    "Feedback": "clipper.client.feedback",
    "FeedbackDisabledError": "clipper.errors",
    "InternalError": "clipper.errors",
    "InvalidArgumentError": "clipper.errors",
    "ModelError": "clipper.errors",
    "ModelInfo": "clipper.client.listings",
    "NotFoundError": "clipper.errors",
    "PolicyInfo": "clipper.client.policy_info",
    "Prediction": "clipper.client.prediction",
    "Progress": "clipper.client.progress",
    "ProtocolError": "clipper.errors",
    "ReplicaInfo": "clipper.client.listings",
    "ServerError": "clipper.errors",
    "StartError": "clipper.errors",
    "StateError": "clipper.errors",
    "StateUnavailableError": "clipper.errors",
    "TooLargeError": "clipper.errors",
    "UnauthorizedError": "clipper.errors",
    "UnavailableError": "clipper.errors",
    "UnknownQueryError": "clipper.errors",
    "VersionInfo": "clipper.client.listings",
}

__all__ = [
    "AlreadyExistsError",
    "ApplicationInfo",
    "ArmInfo",
    "CallerError",
    "Clipper",
    "ClipperError",
    "ConflictError",
    "ContradictoryFeedbackError",
    "DeployError",
    "Feedback",
    "FeedbackDisabledError",
    "InternalError",
    "InvalidArgumentError",
    "ModelError",
    "ModelInfo",
    "NotFoundError",
    "PolicyInfo",
    "Prediction",
    "Progress",
    "ProtocolError",
    "ReplicaInfo",
    "ServerError",
    "StartError",
    "StateError",
    "StateUnavailableError",
    "TooLargeError",
    "UnauthorizedError",
    "UnavailableError",
    "UnknownQueryError",
    "VersionInfo",
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
