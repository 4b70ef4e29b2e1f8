"""The Docker daemon as replicas need it: calls that block, made in threads, and errors in our own words."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clipper.config import DockerConfig
from clipper.deploy.docker_spec import CLUSTER_LABEL
from clipper.errors import DeployError, StartError, UnavailableError

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container

_logger = logging.getLogger(__name__)
_DEFAULT_HOST: Final = "unix:///var/run/docker.sock"
_CONNECTIONS: Final = 64  # kept open beside those that follow logs
INSTALL_HINT: Final = "pip install 'clipper[docker]'"
BUILD_HINT: Final = "and none is pulled for built-in containers: `clipper build-image` makes it, without any network"


class DaemonGoneError(UnavailableError):
    """The daemon does not answer; what was asked of it may have been done or not."""


class ContainerGoneError(Exception):
    """There is no such container any more."""


@dataclass(frozen=True, slots=True)
class ContainerState:
    """How a container is."""

    is_running: bool
    pid: int  # on this host; 0 if it does not run
    code: int
    ran_out_of_memory: bool
    error: str


class Daemon:
    """One daemon, found by its address.

    Raises
    ------
    StartError
        The Docker SDK is not installed.
    """

    def __init__(self, config: DockerConfig) -> None:
        self._config = config
        self.pull_limit_s = config.pull_limit_us / 1e6
        self.host = config.host or os.environ.get("DOCKER_HOST", "") or _DEFAULT_HOST
        self._lock = threading.Lock()
        self._client: docker.DockerClient | None = None
        try:
            import docker  # noqa: F401
        except ImportError as error:
            raise StartError("containers in Docker need the Docker SDK for Python", hint=INSTALL_HINT) from error

    @property
    def client(self) -> docker.DockerClient:
        """The SDK's client, made when it is first needed: it asks the daemon which version of its API it speaks."""
        with self._lock:
            if self._client is None:
                self._client = self._connect(self._config.call_limit_us / 1e6)
            return self._client

    def _connect(self, limit_s: float) -> docker.DockerClient:
        import docker

        try:
            return docker.DockerClient(base_url=self.host, timeout=limit_s, max_pool_size=_CONNECTIONS)
        except docker.errors.DockerException as error:
            if error.__cause__ is None:
                raise StartError(f"docker.host={self.host!r} is no address of a Docker daemon: {error}") from error
            raise DaemonGoneError(f"the Docker daemon at {self.host} does not answer: {_root(error)}") from error

    def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            self._client.close()

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Turn what the SDK raises into `DaemonGoneError` and `ContainerGoneError`; other refusals stay."""
        import docker
        import requests

        try:
            yield
        except docker.errors.ImageNotFound:
            raise
        except docker.errors.NotFound as error:
            raise ContainerGoneError(explanation(error)) from error
        except docker.errors.APIError as error:  # to `requests` it is one of its own
            if error.status_code == 503:  # on its way down
                raise DaemonGoneError(f"the Docker daemon at {self.host} refuses: {explanation(error)}") from error
            raise
        except (requests.exceptions.RequestException, OSError) as error:
            raise DaemonGoneError(f"the Docker daemon at {self.host} does not answer: {_root(error)}") from error

    def is_podman(self) -> bool:
        """Whether it is podman's service behind Docker's API."""
        with self.told():
            parts = self.client.version().get("Components") or []
        return any("podman" in str(part.get("Name", "")).lower() for part in parts)

    # -- the network and images --------------------------------------------------------------------------------------

    def ensure_network(self) -> str:
        """Make the bridge network if it is missing, and return the address that this host has in it."""
        name = self._config.network
        with self.told():
            found = [one for one in self.client.networks.list(names=[name]) if one.name == name]
            network = found[0] if found else self.client.networks.create(name, driver="bridge", check_duplicate=True)
            network.reload()
        driver = network.attrs.get("Driver")
        if driver != "bridge":
            raise StartError(f"docker.network={name!r} has the driver {driver!r}: expected a bridge network")
        pools = (network.attrs.get("IPAM") or {}).get("Config") or []
        return next((pool["Gateway"] for pool in pools if pool.get("Gateway")), "")

    def pull(self, image: str) -> None:
        """Pull an image; `DeployError` says why it cannot be."""
        import docker

        name, _, tag = image.rpartition(":") if ":" in image.rpartition("/")[2] else (image, "", "latest")
        puller = self._connect(self.pull_limit_s)
        try:
            with self.told():
                puller.images.pull(name, tag=tag)
        except (docker.errors.APIError, ContainerGoneError) as error:
            raise no_image(image, explanation(error)) from error
        finally:
            puller.close()

    def push(self, image: str) -> None:
        """Push an image to the registry that its name begins with; `DeployError` says why it cannot be."""
        import docker

        try:
            with self.told():
                for step in self.client.images.push(image, stream=True, decode=True):
                    if "error" in step:
                        raise DeployError(f"the image {image!r} cannot be pushed: {step['error']}")
        except (docker.errors.APIError, ContainerGoneError) as error:
            raise DeployError(f"the image {image!r} cannot be pushed: {explanation(error)}") from error

    # -- containers --------------------------------------------------------------------------------------------------

    def create(self, arguments: Mapping[str, Any]) -> Container:
        """Create a container; ``docker.errors.ImageNotFound`` and ``APIError`` say why it cannot be."""
        with self.told():
            return self.client.containers.create(**arguments)

    def find(self, name: str) -> Container:
        """Return the container of this name or id."""
        with self.told():
            return self.client.containers.get(name)

    def of_cluster(self, cluster_name: str) -> list[Container]:
        """Return every container of a cluster, ended ones too."""
        with self.told():
            label = f"{CLUSTER_LABEL}={cluster_name}"
            found: list[Container] = self.client.containers.list(
                all=True, filters={"label": label}, ignore_removed=True
            )
            return found

    def has_program(self, container: Container, path: str) -> bool:
        """Whether there is such a file in a container; it need not run."""
        api = self.client.api
        # `get_archive` would have the file itself sent.
        with self.told():
            answer = api.head(
                f"{api.base_url}/v{api.api_version}/containers/{container.id}/archive",
                params={"path": path},
                timeout=api.timeout,
            )
        return bool(answer.status_code != 404)

    def state(self, container: Container) -> ContainerState:
        """Ask how a container is."""
        with self.told():
            container.reload()
        state = container.attrs["State"]
        is_running = bool(state.get("Running"))
        return ContainerState(
            is_running,
            int(state.get("Pid") or 0) if is_running else 0,
            int(state.get("ExitCode") or 0),
            bool(state.get("OOMKilled")),
            str(state.get("Error") or ""),
        )

    def kill(self, container: Container, signal: str) -> None:
        """Send a signal; one that has ended is as good."""
        import docker

        try:
            with self.told():
                container.kill(signal=signal)
        except (ContainerGoneError, docker.errors.APIError) as error:
            _logger.debug("%s: %s", container.name, error)

    def remove(self, container: Container) -> None:
        """Kill and remove a container; one that is gone is as good."""
        import docker

        try:
            with self.told():
                container.remove(force=True, v=True)
        except ContainerGoneError:
            pass
        except docker.errors.APIError as error:
            if error.status_code != 409:  # its removal is under way
                raise DaemonGoneError(explanation(error)) from error


def explanation(error: Exception) -> str:
    """Return what the daemon said, without the SDK's words around it."""
    return str(getattr(error, "explanation", None) or error).strip()


def no_image(image: str, cause: str = "") -> DeployError:
    """Return the error of an image that is not there."""
    # In the message: of a failure that is told later, hints are not kept.
    why = f"and it cannot be pulled: {cause}" if cause else BUILD_HINT
    return DeployError(f"the container cannot be started: there is no image {image!r}, {why}")


def _root(error: BaseException) -> str:
    """Return the innermost cause: what the system said, not what three libraries made of it."""
    seen: BaseException = error
    while (inner := seen.__cause__ or seen.__context__) is not None:
        seen = inner
    return str(seen)
