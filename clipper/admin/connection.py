"""`ClipperConnection`: the cluster's life, addresses, logs and metrics; and the groups of calls joined to one class."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from clipper.admin.application_calls import ApplicationCalls
from clipper.admin.deployment_calls import DeploymentCalls
from clipper.admin.exceptions import ClipperException, told_as_original
from clipper.admin.metrics_json import to_metrics
from clipper.admin.names import DEFAULT_HTTP_TIMEOUT_REQUEST, DEFAULT_PREDICTION_CACHE_SIZE_BYTES
from clipper.admin.predict_check import check_predict_function
from clipper.admin.stop_calls import StopCalls

_logger = logging.getLogger(__name__)
_QUERY_FRONTEND_IMAGE: Final = "clipper/query_frontend:develop"
_MANAGEMENT_FRONTEND_IMAGE: Final = "clipper/management_frontend:develop"
_EXPORTER_IMAGE: Final = "clipper/frontend-exporter:develop"


class ClipperConnection(ApplicationCalls, DeploymentCalls, StopCalls):
    """A cluster, with the original's methods.

    Parameters
    ----------
    container_manager : ContainerManager
        How it runs containers; ``cm.clipper`` is the same cluster as `clipper.Clipper`.
    """

    def start_clipper(
        self,
        query_frontend_image: str = _QUERY_FRONTEND_IMAGE,
        mgmt_frontend_image: str = _MANAGEMENT_FRONTEND_IMAGE,
        frontend_exporter_image: str = _EXPORTER_IMAGE,
        cache_size: int = DEFAULT_PREDICTION_CACHE_SIZE_BYTES,
        qf_http_thread_pool_size: int = 1,
        qf_http_timeout_request: int = DEFAULT_HTTP_TIMEOUT_REQUEST,
        qf_http_timeout_content: int = 300,
        num_frontend_replicas: int = 1,
    ) -> None:
        """Start a cluster, connect to it, and return when it answers. It runs until `stop_all`.

        The images, ``qf_http_thread_pool_size`` and ``qf_http_timeout_content`` have no effect.

        Raises
        ------
        ClipperException
            It exists already, or does not come up.
        """
        ignored = (
            ("query_frontend_image", query_frontend_image, _QUERY_FRONTEND_IMAGE),
            ("mgmt_frontend_image", mgmt_frontend_image, _MANAGEMENT_FRONTEND_IMAGE),
            ("frontend_exporter_image", frontend_exporter_image, _EXPORTER_IMAGE),
            ("qf_http_thread_pool_size", qf_http_thread_pool_size, 1),
            ("qf_http_timeout_content", qf_http_timeout_content, 300),
        )
        for name, value, default in ignored:
            if value != default:
                _logger.warning("%s=%r has no effect: the frontend is a process with one event loop", name, value)
        if num_frontend_replicas != 1:
            raise ClipperException(
                f"num_frontend_replicas={num_frontend_replicas!r}: query frontend scale-out hasn't been implemented"
            )
        try:
            self.cm.start_clipper(cache_size, qf_http_timeout_request)
        except ClipperException as error:
            _logger.warning("Error starting Clipper: %s", error.msg)
            raise
        self.connected = True
        _logger.info("Clipper is running")

    def connect(self) -> None:
        """Connect to a running cluster."""
        self.cm.connect()
        self.connected = True
        _logger.info("Successfully connected to Clipper cluster at %s", self.cm.get_query_addr())

    def get_query_addr(self) -> str:
        """Return ``host:port`` for queries."""
        self._require_connection()
        return self.cm.get_query_addr()

    def get_metric_addr(self) -> str:
        """Return ``host:port`` of Prometheus's ``/metrics``: those for queries, since there is no exporter."""
        self._require_connection()
        return self.cm.get_metric_addr()

    def get_clipper_logs(self, logging_dir: str = "clipper_logs/") -> list[str]:
        """Write the log of each process into a directory, which is made if need be, and return the paths."""
        self._require_connection()
        return self.cm.get_logs(logging_dir)

    def inspect_instance(self) -> dict[str, Any]:
        """Return the metrics in the original's form; what this Clipper does not measure is left out."""
        self._require_connection()
        with told_as_original():
            return to_metrics(self.cm.clipper.metrics())

    def stop_all(self, graceful: bool = True) -> None:
        """End the cluster with everything in it, connected or not."""
        self.cm.stop_all(graceful=graceful)
        self.connected = False
        _logger.info("Stopped all Clipper cluster and all model containers")

    def test_predict_function(self, query: dict[str, Any], func: Callable[[Any], Any], input_type: str) -> Any:
        """Run a function on a query as a container would, here, and return its outputs, or a text that says why not."""
        return check_predict_function(query, func, input_type)
