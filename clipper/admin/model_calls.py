"""What is known of models and replicas, in the words of the original."""

from __future__ import annotations

import logging
from typing import Any

from clipper.admin.connection_base import ConnectionBase
from clipper.admin.exceptions import ClipperException

_logger = logging.getLogger(__name__)


class ModelCalls(ConnectionBase):
    """The part of `ClipperConnection` that tells of models."""

    def get_current_model_version(self, name: str) -> str:
        """Return the version that answers the queries which name none."""
        for model in self.get_all_models(verbose=True):
            if model["model_name"] == name and model["is_current_version"]:
                return str(model["model_version"])
        raise ClipperException(f"No versions of model {name} registered with Clipper")

    def get_num_replicas(self, name: str, version: object = None) -> int:
        """Return how many replicas of a version live; by default of the current one."""
        self._require_connection()
        named = self.get_current_model_version(name) if version is None else str(version)
        return self.cm.get_num_replicas(name, named)

    def get_all_models(self, verbose: bool = False) -> list[Any]:
        """Return ``name:version`` of all versions, or what `get_model_info` says of each."""
        return list(self._ask("get_all_models", verbose=verbose))

    def get_model_info(self, name: str, version: object) -> dict[str, Any] | None:
        """Return one version of a model, or None."""
        info: dict[str, Any] | None = self._ask_or_none("get_model", model_name=name, model_version=str(version))
        if info is None:
            _logger.warning("Model %s:%s is not registered with Clipper.", name, version)
        return info

    def get_all_model_replicas(self, verbose: bool = False) -> list[Any]:
        """Return ``name:version:replica`` of all replicas, or what `get_model_replica_info` says of each."""
        return list(self._ask("get_all_containers", verbose=verbose))

    def get_model_replica_info(self, name: str, version: object, replica_id: int) -> dict[str, Any] | None:
        """Return one replica, or None."""
        values = {"model_name": name, "model_version": str(version), "replica_id": replica_id}
        info: dict[str, Any] | None = self._ask_or_none("get_container", **values)
        if info is None:
            _logger.warning("No model replica with ID %s found for model %s:%s", replica_id, name, version)
        return info
