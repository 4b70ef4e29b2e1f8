"""The Python API: start or connect to Clipper, register, deploy, link, scale and predict."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

from clipper.config import ClipperConfig, ListenConfig, ManagementConfig
from clipper.deploy.containers import to_programs
from clipper.deploy.deployers import find_deployer
from clipper.errors import InvalidArgumentError, NotFoundError, StartError, UnavailableError
from clipper.management.http_client import HttpClient
from clipper.management.prediction import Prediction, to_json, to_prediction
from clipper.management.startup import wait_for_snapshot
from clipper.supervisor.launch import RunningSupervisor, launch, make_run_dir

_API: Final = "/api/v1"
_START_LIMIT_US: Final = 30_000_000
# Changes wait for every frontend (ManagementConfig.apply_limit_us) behind other changes that do.
_CHANGE_LIMIT_US: Final = 60_000_000
# A deployment is bounded by ManagementConfig.ready_limit_us; the caller only guards against a dead server.
_DEPLOY_LIMIT_US: Final = 900_000_000
# A query is answered within its SLO, an hour at most; the caller only guards against a dead server.
_PREDICT_LIMIT_US: Final = 3_660_000_000


class Clipper:
    """A running Clipper, started by this process (`start`) or by another one (`connect`).

    Usable as a context manager and from several threads.
    """

    def __init__(self, query_url: str, management_url: str, supervisor: RunningSupervisor | None = None) -> None:
        self.query_url = query_url
        self.management_url = management_url
        self._supervisor = supervisor
        self._query = HttpClient(query_url)
        self._management = HttpClient(management_url)

    # -- life cycle --------------------------------------------------------------------------------------------------

    @classmethod
    def start(
        cls,
        query_port: int = 1337,
        management_port: int = 1338,
        *,
        run_dir: str | Path | None = None,
        containers: Mapping[str, Sequence[str]] | None = None,
        config: ClipperConfig | None = None,
        start_limit_us: int = _START_LIMIT_US,
    ) -> Self:
        """Start Clipper on this machine and return when it answers.

        It ends with `stop`, with the ``with`` block, or with this process, however that ends.

        Parameters
        ----------
        query_port, management_port : int
            Where it listens on 127.0.0.1; 0 = any free port, see ``query_url`` and ``management_url``.
        run_dir : path, optional
            Where sockets, logs and models lie; it stays. Default: a fresh private directory, removed by `stop`.
        containers : mapping of str to sequence of str, optional
            Containers of your own, by the name that `deploy_model` is given: a program and its arguments.
        config : ClipperConfig, optional
            Everything in detail, instead of the four above.

        Raises
        ------
        StartError
            A port is taken, or a process did not come up; nothing is left running.
        """
        if config is None:
            listen = ListenConfig(query_port=query_port, management_port=management_port)
            directory = make_run_dir() if run_dir is None else Path(run_dir).absolute()
            management = ManagementConfig(containers=to_programs(containers or {}))
            config = ClipperConfig(directory, remove_run_dir=run_dir is None, listen=listen, management=management)
        supervisor = launch(config, start_limit_us)
        listen = supervisor.config.listen
        clipper = cls(listen.query_url, listen.management_url, supervisor)
        if not config.remove_run_dir:  # applications of an earlier life may be there
            try:
                wait_for_snapshot(clipper.status, config.frontend.workers, start_limit_us)
            except BaseException:
                clipper.stop()
                raise
        return clipper

    @classmethod
    def connect(cls, management_url: str = "http://127.0.0.1:1338") -> Self:
        """Connect to a running Clipper; `stop` then only closes the connections.

        Raises
        ------
        UnavailableError
            Nothing answers there.
        """
        management = HttpClient(management_url)
        try:
            status = management.call("GET", f"{_API}/status", limit_us=_CHANGE_LIMIT_US)
        finally:
            management.close()
        return cls(status["query_url"], management_url.rstrip("/"))

    def stop(self) -> None:
        """Drain and end the Clipper that this object has started: queries in flight are answered first.

        Calling it again does nothing.

        Raises
        ------
        StartError
            It did not end in order, and was killed.
        """
        self._query.close()
        self._management.close()
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            code = supervisor.stop()
            if code != 0:
                raise StartError(
                    f"Clipper ended with code {code} when it was stopped", hint=f"see {supervisor.config.log_dir}"
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # -- applications ------------------------------------------------------------------------------------------------

    def register_application(
        self,
        name: str,
        input_type: str,
        default_output: Any,
        latency_slo_us: int,
        shape: int | Sequence[int] | None = None,
        dtype: str | None = None,
        on_miss: str = "default",
        policy: str | Mapping[str, Any] | None = None,
        *,
        max_slo_us: int | None = None,
        cache: bool = True,
        cache_ttl_us: int = 0,
    ) -> None:
        """Register a query endpoint ``/<name>/predict``.

        Parameters
        ----------
        input_type : str
            ``integers``, ``floats``, ``doubles``, ``strings``, ``bytes`` or ``tensor``.
        default_output : JSON value
            What a query gets when no model answers within the objective.
        latency_slo_us : int
            The objective, from the arrival of a query to its answer.
        shape : int or sequence of int, optional
            Length of a vector, or dimensions of a tensor; other inputs are then refused.
        dtype : str, optional
            Element type of a tensor.
        on_miss : str
            ``default``: answer with the default output; ``error``: with an HTTP error.
        policy : str, optional
            ``static``, ``majority`` or ``mean``; by default ``majority`` if several models are linked.
        max_slo_us : int, optional
            Ceiling of a query's own ``slo_us``; by default ``latency_slo_us``.

        Raises
        ------
        AlreadyExistsError, InvalidArgumentError
            The name is taken; a value is not valid.
        """
        body = {
            "name": name,
            "input_type": input_type,
            "default_output": default_output,
            "latency_slo_us": latency_slo_us,
            "max_slo_us": max_slo_us,
            "shape": [shape] if isinstance(shape, int) else None if shape is None else list(shape),
            "dtype": dtype,
            "on_miss": on_miss,
            "policy": dict(policy) if isinstance(policy, Mapping) else policy,
            "cache": cache,
            "cache_ttl_us": cache_ttl_us,
        }
        self._manage("POST", "/applications", body)

    def delete_application(self, name: str) -> None:
        """Delete an application; its models stay."""
        self._manage("DELETE", f"/applications/{_segment(name)}")

    def link_model_to_app(self, app_name: str, model_name: str) -> None:
        """Let an application use a model; several may be linked. Queries use it when this returns."""
        self._manage("PUT", f"/applications/{_segment(app_name)}/links/{_segment(model_name)}")

    def unlink_model_from_app(self, app_name: str, model_name: str) -> None:
        """Undo `link_model_to_app`."""
        self._manage("DELETE", f"/applications/{_segment(app_name)}/links/{_segment(model_name)}")

    # -- models ------------------------------------------------------------------------------------------------------

    def deploy_model(
        self,
        name: str,
        version: str | int,
        model: Any = None,
        input_type: str = "doubles",
        replicas: int = 1,
        *,
        container: str | None = None,
        batch_size: int | None = None,
        max_batch_size: int = 0,
        labels: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        make_current: bool = True,
        sample_input: Any = None,
    ) -> None:
        """Deploy a model version, and return when all its replicas are ready.

        Parameters
        ----------
        model : object
            A function of a list (or array) of inputs, or a fitted scikit-learn estimator. None: the container
            needs no files (``noop``, ``sum``, ``simulated``).
        container : str, optional
            Which program evaluates it; by default chosen by the type of ``model``.
        batch_size : int, optional
            A fixed batch size. Default: found by measurement, up to ``max_batch_size`` (0 = no limit of its own).
        environment : mapping, optional
            Parameters of the container, ``CLIPPER_*``, or sizes of its thread pools.
        make_current : bool
            Whether it answers the queries that name no version. A first version always does.
        sample_input : ndarray, sequence of numbers, str or bytes, optional
            An input that every replica must evaluate before it gets a query: a replica that cannot is a failure.

        Raises
        ------
        DeployError
            A replica died, or was not ready in time; carries its last log lines. Nothing of it is left.
        AlreadyExistsError, ConflictError, InvalidArgumentError
            The version exists; a linked application does not fit it; a value is not valid.
        """
        if model is None and container is None:
            raise InvalidArgumentError("deploy_model needs a model, or the name of a container that works without one")
        body: dict[str, Any] = {
            "version": str(version),
            "input_type": input_type,
            "replicas": replicas,
            "controller": "aimd" if batch_size is None else "fixed",
            "batch_size": batch_size or 0,
            "max_batch_size": max_batch_size,
            "labels": list(labels),
            "environment": dict(environment or {}),
            "make_current": make_current,
            "sample_input": None if sample_input is None else to_json(sample_input),
        }
        if model is None:
            self._deploy(name, {**body, "container": container})
            return
        deployer = find_deployer(model, container)
        files = self._make_staging_directory()
        try:
            deployer.save(model, files)
            self._deploy(name, {**body, "container": deployer.container, "files": str(files)})
        finally:
            shutil.rmtree(files, ignore_errors=True)  # a deployment has moved it away

    def set_num_replicas(self, name: str, num_replicas: int, version: str | int | None = None) -> None:
        """Scale a version (default: the current one); returns when the replicas are ready, or gone.

        Raises
        ------
        DeployError
            A new replica died or was not ready in time; the former number stays.
        """
        path = f"/models/{_segment(name)}/versions/{_segment(self._version(name, version))}/replicas"
        self._manage("PUT", path, {"count": num_replicas}, limit_us=_DEPLOY_LIMIT_US)

    def set_model_version(self, name: str, version: str | int) -> None:
        """Let another deployed version answer the queries that name none: roll back, or forward."""
        self._manage("PUT", f"/models/{_segment(name)}/current_version", {"version": str(version)})

    def delete_model_version(self, name: str, version: str | int) -> None:
        """Remove a version with its replicas; not the current version of a linked model."""
        path = f"/models/{_segment(name)}/versions/{_segment(str(version))}"
        self._manage("DELETE", path, limit_us=_DEPLOY_LIMIT_US)

    def status(self) -> dict[str, Any]:
        """Return applications, models, replicas and workers as management sees them."""
        status = self._manage("GET", "/status")
        if not isinstance(status, dict):
            raise UnavailableError(f"{self.management_url} does not answer as Clipper's management does")
        return status

    def logs(self, replica_id: str, line_count: int = 100) -> str:
        """Return the last lines that a replica (``model:version:index``) has printed."""
        return str(self._manage("GET", f"/replicas/{_segment(replica_id)}/log?lines={line_count}")["log"])

    # -- queries -----------------------------------------------------------------------------------------------------

    def predict(
        self,
        app_name: str,
        query: Any,
        *,
        version: str | int | None = None,
        context: str | None = None,
        slo_us: int | None = None,
    ) -> Prediction:
        """Query an application over HTTP.

        Parameters
        ----------
        query : ndarray, sequence of numbers, str or bytes
            One input, of the application's type.
        version : str or int, optional
            A version other than the current one.
        context : str, optional
            A user or session, for policies that learn one by one.
        slo_us : int, optional
            This query's own latency objective.

        Raises
        ------
        CallerError
            The input does not fit, or there is no such application.
        ServerError, ModelError
            The query missed, and the application answers misses with errors.
        """
        return to_prediction(self._predict(app_name, {"input": to_json(query)}, version, context, slo_us))

    def predict_batch(
        self,
        app_name: str,
        inputs: Iterable[Any],
        *,
        version: str | int | None = None,
        context: str | None = None,
        slo_us: int | None = None,
    ) -> list[Prediction]:
        """Query an application with several inputs at once; each is a query of its own. See `predict`.

        An input that missed, where the application answers misses with errors, has its ``error`` and ``cause`` set.
        """
        body = {"input_batch": [to_json(item) for item in inputs]}
        answer = self._predict(app_name, body, version, context, slo_us)
        return [to_prediction(item) for item in answer["batch_predictions"]]

    # -- calls -------------------------------------------------------------------------------------------------------

    def _predict(
        self, app_name: str, body: dict[str, Any], version: str | int | None, context: str | None, slo_us: int | None
    ) -> Any:
        options = {"version": None if version is None else str(version), "context": context, "slo_us": slo_us}
        body.update({key: value for key, value in options.items() if value is not None})
        try:
            return self._query.call("POST", f"/{_segment(app_name)}/predict", body, limit_us=_PREDICT_LIMIT_US)
        except NotFoundError:
            raise NotFoundError(f"there is no application {app_name!r}", hint="register_application makes it") from None

    def _manage(self, method: str, path: str, body: Any = None, *, limit_us: int = _CHANGE_LIMIT_US) -> Any:
        return self._management.call(method, _API + path, body, limit_us=limit_us)

    def _deploy(self, name: str, body: Mapping[str, Any]) -> None:
        self._manage("POST", f"/models/{_segment(name)}/versions", body, limit_us=_DEPLOY_LIMIT_US)

    def _version(self, name: str, version: str | int | None) -> str:
        if version is not None:
            return str(version)
        return str(self._manage("GET", f"/models/{_segment(name)}")["current_version"])

    def _make_staging_directory(self) -> Path:
        staging = self.status()["staging_dir"]
        try:
            return Path(tempfile.mkdtemp(dir=staging))
        except OSError as error:
            raise UnavailableError(
                f"the model's files cannot be written to {staging!r}: {error}",
                hint="models are deployed from the machine and by the user that Clipper runs as",
            ) from error


def _segment(name: str) -> str:
    """Return ``name`` as one segment of a URL path."""
    return quote(name, safe="") or "%20"  # an empty name must not name the collection
