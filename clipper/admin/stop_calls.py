"""Stopping models, in the words of the original: their replicas end, and the versions are unregistered."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from clipper.admin.exceptions import ClipperException
from clipper.admin.model_calls import ModelCalls

_logger = logging.getLogger(__name__)


class StopCalls(ModelCalls):
    """The part of `ClipperConnection` that stops models."""

    def stop_models(self, model_names: Sequence[str]) -> None:
        """Stop all versions of some models."""
        self._stop(_check_names(model_names), lambda model: True)

    def stop_versioned_models(self, model_versions_dict: Mapping[str, Sequence[object]]) -> None:
        """Stop some versions of some models, ``{name: [version, ...]}``, current ones included."""
        self._require_connection()
        if not isinstance(model_versions_dict, Mapping):
            raise ClipperException(f"model_versions_dict={model_versions_dict!r}; expected {{name: [version, ...]}}")
        self.cm.stop_models(model_versions_dict)
        _logger.info("Stopped all containers for these models and versions:\n%s", dict(model_versions_dict))

    def stop_inactive_model_versions(self, model_names: Sequence[str]) -> None:
        """Stop the versions of some models that are not current."""
        self._stop(_check_names(model_names), lambda model: not model["is_current_version"])

    def stop_all_model_containers(self) -> None:
        """Stop all versions of all models; the cluster runs on."""
        self._require_connection()
        self.cm.stop_all_model_containers()
        _logger.info("Stopped all containers of all models")

    def _stop(self, model_names: Sequence[str], is_meant: Callable[[Mapping[str, Any]], bool]) -> None:
        found: dict[str, list[str]] = {}
        for model in self.get_all_models(verbose=True):
            if model["model_name"] in model_names and is_meant(model):
                found.setdefault(model["model_name"], []).append(model["model_version"])
        self.stop_versioned_models(found)


def _check_names(model_names: Sequence[str]) -> Sequence[str]:
    """Refuse a single string: the original would take every model whose name is a part of it."""
    if isinstance(model_names, str):
        raise ClipperException(f"model_names={model_names!r}; expected a list of names", model_names)
    return model_names
