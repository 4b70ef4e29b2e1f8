"""The identifiers that travel through every layer."""

from __future__ import annotations

from typing import NamedTuple, NewType

AppName = NewType("AppName", str)
ReplicaId = NewType("ReplicaId", str)
Revision = NewType("Revision", int)


class ModelId(NamedTuple):
    """A model version, written ``name:version``."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}:{self.version}"
