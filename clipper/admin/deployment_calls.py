"""Deploying, scaling and switching versions, in the words of the original."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from clipper.admin.exceptions import ClipperException, told_as_original
from clipper.admin.images import is_containerless
from clipper.admin.model_calls import ModelCalls
from clipper.admin.names import CONTAINERLESS_MODEL_IMAGE, DEFAULT_BATCH_SIZE, check_batch_size, check_versioned_name

_logger = logging.getLogger(__name__)


class DeploymentCalls(ModelCalls):
    """The part of `ClipperConnection` that starts replicas."""

    def build_and_deploy_model(
        self,
        name: str,
        version: object,
        input_type: str,
        model_data_path: str,
        base_image: str,
        labels: Sequence[str] | None = None,
        container_registry: str | None = None,
        num_replicas: int = 1,
        batch_size: int = DEFAULT_BATCH_SIZE,
        pkgs_to_install: Sequence[str] | None = None,
    ) -> None:
        """Do `build_model`, then `deploy_model`."""
        self._require_connection()
        image = self.build_model(name, version, model_data_path, base_image, container_registry, pkgs_to_install)
        self.deploy_model(name, version, input_type, image, labels, num_replicas, batch_size)

    def build_model(
        self,
        name: str,
        version: object,
        model_data_path: str,
        base_image: str,
        container_registry: str | None = None,
        pkgs_to_install: Sequence[str] | None = None,
    ) -> str:
        """Build a model's files, and packages, into a Docker image on top of another, and return its name.

        The image is pushed if ``container_registry`` names a registry. Only `DockerContainerManager` has images; no
        connection is needed.

        Raises
        ------
        ClipperException
            It cannot be built, or a name is not valid: that is told first.
        """
        check_versioned_name(name, str(version))
        return self.cm.build_image(name, str(version), model_data_path, base_image, container_registry, pkgs_to_install)

    def deploy_model(
        self,
        name: str,
        version: object,
        input_type: str,
        image: str,
        labels: Sequence[str] | None = None,
        num_replicas: int = 1,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> None:
        """Start replicas of a program, return when they are ready, and make the version current.

        Parameters
        ----------
        image : str
            An image, with `DockerContainerManager`; a program of the container manager, or ``noop``, ``sum``,
            ``simulated``; the original's images of ``noop-container`` and ``sum-container`` mean these.
        """
        self._require_connection()
        check_versioned_name(name, str(version))
        container = self.cm.container_of(image)
        self._deploy(name, version, input_type, None, container, labels, num_replicas, batch_size)

    def register_model(
        self,
        name: str,
        version: object,
        input_type: str,
        image: str | None = None,
        labels: Sequence[str] | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> None:
        """Register a version whose containers are started by hand."""
        self._call(
            "add_model",
            model_name=name,
            model_version=str(version),
            labels=list(labels or []),
            input_type=input_type,
            container_name=CONTAINERLESS_MODEL_IMAGE if is_containerless(image) else image,
            model_data_path="DEPRECATED",
            batch_size=batch_size,
        )
        _logger.info("Successfully registered model %s:%s", name, version)

    def set_num_replicas(self, name: str, num_replicas: int, version: object = None) -> None:
        """Scale a version, by default the current one; returns when its replicas are ready, or gone."""
        self._require_connection()
        named = self.get_current_model_version(name) if version is None else str(version)
        info = self.get_model_info(name, named)
        if info is None:
            raise ClipperException(f"Cannot add container for non-registered model {name}:{named}")
        if is_containerless(info["container_name"]):
            raise ClipperException(f"Cannot resize the replica set for containerless model {name}:{named}")
        with told_as_original():
            self.cm.clipper.set_num_replicas(name, num_replicas, named)

    def set_model_version(self, name: str, version: object, num_replicas: int | None = None) -> None:
        """Let a registered version answer the queries that name none, and scale it if asked."""
        self._call("set_model_version", model_name=name, model_version=str(version))
        if num_replicas is not None:
            self.set_num_replicas(name, num_replicas, version)

    def deploy_function(
        self,
        name: str,
        version: object,
        input_type: str,
        function: Any,
        labels: Sequence[str] | None = None,
        num_replicas: int = 1,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> None:
        """Do what a deployer needs, and the original did by images: ship a function, or a model, of this process."""
        self._require_connection()
        self._deploy(name, version, input_type, function, None, labels, num_replicas, batch_size)

    def _deploy(
        self,
        name: str,
        version: object,
        input_type: str,
        model: Any,
        container: str | None,
        labels: Sequence[str] | None,
        num_replicas: int,
        batch_size: int,
    ) -> None:
        named, size = str(version), check_batch_size(batch_size)
        options: dict[str, Any] = {"labels": list(labels or []), "batch_size": size, "container": container}
        with told_as_original():
            self.cm.clipper.deploy_model(name, named, model, input_type, num_replicas, **options)
        _logger.info("Done deploying model %s:%s.", name, named)
