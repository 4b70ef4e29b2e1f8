"""Deploying a model, and changing how many replicas it has: the calls that take seconds and tell how far they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from clipper.client.api_paths import DEPLOY_LIMIT_US, segment
from clipper.client.calls import Calls
from clipper.client.checks import (
    check_batching,
    check_environment,
    check_labels,
    check_text,
    check_version,
    no_current_version,
    to_count,
)
from clipper.client.model_files import local_directory, save_files, size_bytes, upload
from clipper.client.prediction import to_json
from clipper.client.progress import ProgressOption, Reporter, reporter
from clipper.deploy.resources import with_gpus
from clipper.deployers import find_deployer
from clipper.errors import DeployError, InvalidArgumentError
from clipper.registry import names

_MISSING_MODULE: Final = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")


class DeploymentCalls(Calls):
    """The part of `Clipper` that starts and stops replicas."""

    def deploy_model(
        self,
        name: str,
        version: str | int,
        model: Any = None,
        input_type: str = "doubles",
        replicas: int = 1,
        *,
        container: str | None = None,
        batching: str | None = None,
        batch_size: int | None = None,
        max_batch_size: int = 0,
        labels: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        resources: Mapping[str, int | str] | None = None,
        gpus: float | None = None,
        description: str = "",
        make_current: bool = True,
        sample_input: Any = None,
        progress: ProgressOption = False,
    ) -> None:
        """Deploy a model version, and return when all its replicas are ready.

        Parameters
        ----------
        model : object
            A function of a list (or array) of inputs, a fitted scikit-learn estimator, or whatever a deployer of
            `clipper.deployers` accepts. None: the container needs no files (``noop``, ``sum``, ``simulated``).
        container : str, optional
            Which program evaluates it; by default chosen by the type of ``model``.
        batching : {"aimd", "quantile", "fixed"}, optional
            Who chooses the batch size: ``docs/batching.md``. Default: "aimd", or "fixed" where ``batch_size`` is given.
        batch_size : int, optional
            A fixed batch size. Default: found by measurement, up to ``max_batch_size`` (0 = no limit of its own).
        environment : mapping, optional
            Parameters of the container, ``CLIPPER_*``, or sizes of its thread pools.
        resources : mapping, optional
            What each replica asks of its machine, ``{"cpu": 2}``; kept for container managers that can grant it.
        gpus : int or float, optional
            Devices that each replica is given: a whole number, or a share of one device's memory (``0.5``); 0: it sees
            none. Default: it sees what Clipper sees, and nobody counts it.
        make_current : bool
            Whether it answers the queries that name no version. A first version always does.
        sample_input : ndarray, sequence of numbers, str or bytes, optional
            An input that every replica must evaluate before it gets a query; one that cannot is a failure. Default:
            zeros, whose failure is none, once a linked application declares a shape; without one, nothing.
        progress : bool or callable
            True: a bar (in a terminal) or lines (elsewhere) on stderr; a function: called with each `Progress`.

        Raises
        ------
        DeployError
            A replica died, or was not ready in time; carries its last log lines. Nothing of it is left.
        AlreadyExistsError, ConflictError, InvalidArgumentError
            The version exists; a linked application does not fit it, or the machine has fewer devices; a value is not
            valid, or the model cannot be pickled: then the server has heard nothing of it.
        """
        controller, fixed_size = check_batching(batching, batch_size)
        body = {
            "version": check_version(version),
            "input_type": names.check_input_type(input_type),
            "replicas": to_count("replicas", replicas, 1, names.MAX_REPLICAS),
            "controller": controller,
            "batch_size": fixed_size,
            "max_batch_size": to_count("max_batch_size", max_batch_size, 0, names.MAX_BATCH_SIZE),
            "labels": check_labels(labels),
            "environment": check_environment(environment),
            "resources": with_gpus(names.check_resources(resources or {}), gpus),
            "description": names.check_description(description),
            "make_current": bool(make_current),
            "sample_input": None if sample_input is None else to_json(sample_input),
        }
        path = f"/models/{segment(names.check_model_name(name))}/versions"
        if container is not None:
            check_text("container", container)
        with reporter(f"deploying {name}:{version}", progress) as report:
            if model is None:
                if container is None:
                    raise InvalidArgumentError(
                        "deploy_model needs a model, or the name of a container that works without one"
                    )
                self._deploy(path, {**body, "container": container}, report)
            else:
                self._deploy_files(path, body, model, container, report)

    def set_num_replicas(
        self, name: str, num_replicas: int, version: str | int | None = None, *, progress: ProgressOption = False
    ) -> None:
        """Scale a version (default: the current one); returns when the replicas are ready, or gone.

        Raises
        ------
        DeployError
            A new replica died or was not ready in time; the former number stays.
        """
        count = to_count("replicas", num_replicas, 1, names.MAX_REPLICAS)
        named = self._current_version(name) if version is None else check_version(version)
        path = f"/models/{segment(check_text('name', name))}/versions/{segment(named)}/replicas"
        with reporter(f"scaling {name}:{named}", progress) as report:
            self._run("PUT", path, {"count": count}, report)

    def _current_version(self, name: str) -> str:
        current: str | None = self._manage("GET", f"/models/{segment(check_text('name', name))}")["current_version"]
        if current is None:
            raise no_current_version(name)
        return current

    def _deploy_files(
        self, path: str, body: Mapping[str, Any], model: Any, container: str | None, report: Reporter | None
    ) -> None:
        deployer = find_deployer(model, container)
        status = self._manage("GET", "/status")
        with local_directory(status, self.management_url, self._is_own) as (directory, is_shared):
            if report:
                report.step("saving", type(model).__qualname__)
            save_files(lambda to: deployer.save(model, to), directory)
            files = str(directory)
            if not is_shared:
                if report:
                    report.step("uploading", f"{size_bytes(directory):,} bytes")
                files = upload(self._management, directory)
            self._deploy(path, {**body, "container": deployer.container, "files": files}, report)

    def _deploy(self, path: str, body: Mapping[str, Any], report: Reporter | None) -> None:
        try:
            self._run("POST", path, body, report)
        except DeployError as error:
            raise _with_hint(error) from None

    def _run(self, method: str, path: str, body: Mapping[str, Any], report: Reporter | None) -> None:
        """Make a long call to its end, telling its events if somebody listens."""
        if report is None:
            self._manage(method, path, body, limit_us=DEPLOY_LIMIT_US)
            return
        for event in self._manage_with_events(method, path, body):
            report.on_event(event)

    @property
    def _is_own(self) -> bool:
        """Whether this process has started the server."""
        return False


def _with_hint(error: DeployError) -> DeployError:
    """Say what to do about the one failure that everybody meets: the container lacks a package."""
    missing: Iterable[str] = dict.fromkeys(_MISSING_MODULE.findall(error.log_tail))
    if error.hint or not missing:
        return error
    lacks = f"the container's Python has no {', '.join(missing)}"
    hint = f"{lacks}: install it where Clipper runs, or keep its source in a file beside your script"
    return DeployError(error.message, hint=hint, log_tail=error.log_tail)
