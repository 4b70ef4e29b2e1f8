"""The identifiers that travel through every layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, NewType, TypeAlias

AppName = NewType("AppName", str)
ReplicaId = NewType("ReplicaId", str)
Revision = NewType("Revision", int)

ReplicaListener: TypeAlias = Callable[[str, str, str, str, str], None]
"""Told of every change of a replica's state: (replica_id, model, version, state, reason)."""


class ModelId(NamedTuple):
    """A model version, written ``name:version``."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}:{self.version}"
