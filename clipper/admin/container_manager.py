"""What `ClipperConnection` needs of a container manager."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from clipper.admin.admin_calls import call
from clipper.admin.exceptions import UnconnectedException, told_as_original
from clipper.admin.images import refuse_to_build
from clipper.client.clipper import Clipper


class ContainerManager(ABC):
    """Starts, finds and ends one cluster; what it runs containers as is its own affair.

    `start_clipper` and `connect` set the connection, and `stop_all` and `disconnect` unset it.
    """

    _clipper: Clipper | None = None

    @property
    def clipper(self) -> Clipper:
        """The cluster's Python API, which has more to it than the original's."""
        if self._clipper is None:
            raise UnconnectedException()
        return self._clipper

    @abstractmethod
    def start_clipper(self, cache_size: int, qf_http_timeout_request: int) -> None:
        """Start a cluster, and connect to it.

        Parameters
        ----------
        cache_size : int
            Bytes of the prediction cache.
        qf_http_timeout_request : int
            Seconds that a client may take for a request.

        Raises
        ------
        ClipperException
            It exists already, or does not come up; nothing is left running.
        """

    @abstractmethod
    def connect(self) -> None:
        """Connect to a running cluster; `ClipperException` if there is none."""

    @abstractmethod
    def container_of(self, image: str) -> str:
        """Return what runs a Docker image's program here; `ClipperException` if nothing does."""

    def build_image(
        self,
        name: str,
        version: str,
        model_data_path: str,
        base_image: str,
        container_registry: str | None,
        pkgs_to_install: Sequence[str] | None,
    ) -> str:
        """Build a model into an image and return its name; `ClipperException` if it cannot be, or nothing here can."""
        refuse_to_build(name, version)

    @abstractmethod
    def stop_all(self, graceful: bool = True) -> None:
        """End the cluster, connected or not; nothing happens if it does not run."""

    @abstractmethod
    def get_logs(self, logging_dir: str) -> list[str]:
        """Write one file per process into a directory, and return their paths."""

    def disconnect(self) -> None:
        """Close the connections; the cluster runs on."""
        clipper, self._clipper = self._clipper, None
        if clipper is not None:
            clipper.stop()

    # -- what every manager does alike -------------------------------------------------------------------------------

    def get_admin_addr(self) -> str:
        """Return host and port of the management API."""
        return urlsplit(self.clipper.management_url).netloc

    def get_query_addr(self) -> str:
        """Return host and port of the query API."""
        return urlsplit(self.clipper.query_url).netloc

    def get_metric_addr(self) -> str:
        """Return host and port of ``/metrics``, in Prometheus's format: those of the query API."""
        return self.get_query_addr()

    def get_num_replicas(self, name: str, version: object) -> int:
        """Return how many replicas of a version live."""
        with told_as_original():
            return len(self.clipper.get_replicas(name, str(version)))

    def stop_models(self, models: Mapping[str, Sequence[object]]) -> None:
        """Stop versions of models with their replicas. Links stay, also of a model that has no version left."""
        for name, versions in models.items():
            for version in versions:
                call(self.clipper, "delete_versioned_model", model_name=name, model_version=str(version))

    def stop_all_model_containers(self) -> None:
        """Stop every version of every model."""
        with told_as_original():
            models = self.clipper.get_models()
        self.stop_models({model.name: [version.version for version in model.versions] for model in models})
