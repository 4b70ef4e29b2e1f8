"""Turns a routing snapshot from management into the objects that the data path reads, and swaps them in whole.

The schema of a snapshot stands in ``clipper/management/control_channel.py``. Applying one is all or nothing: everything
is built first, and only then do the route table and the models change, between two loop turns.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from clipper._core.application import Application, ApplicationStats
from clipper._core.batch_queue import BatchQueue
from clipper._core.context_plans import ContextPlans
from clipper._core.model_runtime import ModelRuntime
from clipper._core.plan import MAX_MEMBERS, Plan
from clipper._core.query_processor import QueryProcessor
from clipper._core.route_request import RouteRequest
from clipper._core.route_table import Route, RouteTable
from clipper.errors import InvalidArgumentError
from clipper.frontend.decision_streams import DecisionStreams, feedback_deadline_us
from clipper.frontend.plans import Asked, initial_plan
from clipper.frontend.probes import read_probes
from clipper.frontend.wiring import Core
from clipper.types import ModelId

Snapshot = Mapping[str, Any]

_log = logging.getLogger("clipper.selection")


class FeedbackRoutes(Protocol):
    """What of feedback is needed here (`clipper.frontend.learning.Learning`)."""

    @property
    def streams(self) -> DecisionStreams:
        """Which applications learn."""

    def route_of(self, application: Application) -> Callable[[RouteRequest], None]:
        """Return the target of an application's update route."""


class SnapshotApplier:
    """Keeps what outlives a snapshot: model runtimes with their queues and replicas, and the figures of applications.

    Parameters
    ----------
    core : Core
        The worker's data path.
    operations_routes : sequence of (bytes, Route)
        Routes that are there in every snapshot: ``/metrics`` and the health checks.
    learner : FeedbackRoutes, optional
        Whoever takes feedback, and knows which applications learn from it; None: nobody does.
    """

    def __init__(
        self,
        core: Core,
        operations_routes: Sequence[tuple[bytes, Route]],
        learner: FeedbackRoutes | None = None,
    ) -> None:
        self._core = core
        self._operations_routes = tuple(operations_routes)
        self._learner = learner
        self._models: dict[ModelId, ModelRuntime] = {}
        self._stats: dict[str, ApplicationStats] = {}
        self._applications: dict[str, Application] = {}
        self._asked: dict[str, Asked] = {}
        self._next_uid = 1
        self.revision = 0
        core.server.routes = self._routes({})

    @property
    def models(self) -> Mapping[ModelId, ModelRuntime]:
        """Every model version of the snapshot in force."""
        return self._models

    @property
    def applications(self) -> Mapping[str, Application]:
        """Every application of the snapshot in force."""
        return self._applications

    def find_model(self, name: str, version: str) -> ModelRuntime | None:
        """The runtime of a model version, or None if the snapshot in force has none of that name."""
        return self._models.get(ModelId(name, version))

    def apply(self, snapshot: Snapshot) -> None:
        """Swap a snapshot in.

        Raises
        ------
        InvalidArgumentError
            It contradicts itself; the snapshot in force stays.
        """
        models = self._build_models(snapshot)
        asked = _whom_to_ask(snapshot, models)
        applications = self._build_applications(snapshot, models, asked)
        routes = self._routes(applications)
        probes = read_probes(snapshot)
        self._configure(snapshot, models)
        with_a_first_sample: list[ModelRuntime] = []
        for model_id, runtime in models.items():
            probe = probes.get(model_id)
            if runtime.configure_probe(None if probe is None else probe.data, probe is not None and probe.must_succeed):
                with_a_first_sample.append(runtime)
        retired = [model for model_id, model in self._models.items() if models.get(model_id) is not model]
        self._models = models
        self._applications = applications
        self._asked = asked
        for name, application in applications.items():
            if application.contexts is not None:
                application.contexts.resize(asked[name].max_contexts)
                application.contexts.keep_only(set(asked[name].arms.values()), set(asked[name].models.values()))
        self._stats = {name: application.stats for name, application in applications.items()}
        if self._learner is not None:
            self._learner.streams.keep(
                (described, applications[described["name"]].decisions) for described in snapshot["applications"]
            )
        self._core.server.routes = routes
        self.revision = int(snapshot["revision"])
        processor: QueryProcessor = self._core.processor
        for model in retired:
            processor.retire_model(model)
        # An application that has just been linked says what inputs look like: its first queries come to warm replicas.
        for model in with_a_first_sample:
            self._core.rpc.warm_ready(model)

    def _build_models(self, snapshot: Snapshot) -> dict[ModelId, ModelRuntime]:
        models: dict[ModelId, ModelRuntime] = {}
        for described in snapshot["models"]:
            for version in described["versions"]:
                model_id = ModelId(described["name"], version["version"])
                runtime = self._models.get(model_id)
                if runtime is None or runtime.input_type != version["input_type"]:
                    runtime = self._new_model(model_id, version)
                models[model_id] = runtime
        return models

    def _configure(self, snapshot: Snapshot, models: Mapping[ModelId, ModelRuntime]) -> None:
        """Change the models that stay; nothing after it fails, so a refused snapshot has changed nothing."""
        slo_us = _smallest_slo_us(snapshot)
        for described in snapshot["models"]:
            for version in described["versions"]:
                models[ModelId(described["name"], version["version"])].configure(
                    controller=version["controller"],
                    batch_size=version["batch_size"],
                    max_batch_size=version["max_batch_size"],
                    slo_us=slo_us.get(described["name"], 0),
                )
        linked = {model: app for app in snapshot["applications"] for model in app["models"]}
        for model_id, runtime in models.items():
            application = linked.get(model_id.name)
            # Every version, not just the current one: a query may name it.
            if application is not None and application["input_type"] == runtime.input_type:
                runtime.configure_tensor(application["dtype"], application["shape"])

    def _new_model(self, model_id: ModelId, version: Mapping[str, Any]) -> ModelRuntime:
        uid = self._next_uid
        self._next_uid += 1
        queue = BatchQueue([self._core.slots], queue_id=uid)
        return ModelRuntime(model_id.name, model_id.version, uid, queue, input_type=version["input_type"])

    def take_plans(self, message: Mapping[str, Any]) -> None:
        """Carry out a ``plans`` message: from the next query on, without a snapshot.

        A plan that is not valid here is passed over, with a line in the log: the one in force stays.
        """
        name = message["application"]
        application = self._applications.get(name)
        if application is None:
            _log.info("plans for application %r came, which there is not (any more)", name)
            return
        for one in message["plans"]:
            context, document = one["context"], one["plan"]
            plan = None if document is None else self._asked[name].plan_of(document, name)
            if document is not None and plan is None:
                continue
            if context is None and plan is not None:
                application.set_plan(plan)
            elif context is not None and application.contexts is not None:
                application.set_context_plan(context, plan)

    def _build_applications(
        self, snapshot: Snapshot, models: Mapping[ModelId, ModelRuntime], asked: Mapping[str, Asked]
    ) -> dict[str, Application]:
        versions = {described["name"]: described for described in snapshot["models"]}
        applications: dict[str, Application] = {}
        for described in snapshot["applications"]:
            name = described["name"]
            linked = [_linked_model(name, model, versions) for model in described["models"]]
            applications[name] = Application(
                name,
                input_type=described["input_type"],
                dtype=described["dtype"],
                shape=described["shape"],
                slo_us=described["latency_slo_us"],
                max_slo_us=described["max_slo_us"],
                default_output=_json_text(name, described["default_output"]),
                on_miss=described["on_miss"],
                use_cache=described["cache"],
                cache_ttl_us=described["cache_ttl_us"],
                plan=self._plan(described, asked[name]),
                version_plans=_version_plans(described["input_type"], linked, models),
                linked_models=tuple(described["models"]),
                stats=self._stats.get(name) or ApplicationStats(name),
                decisions=None if self._learner is None else self._learner.streams.of(described),
                arms_plan=_arms_plan(described, list(asked[name].arms.values())),
                feedback_deadline_us=feedback_deadline_us(described),
                learns=described.get("learning") is not None,
                contexts=self._contexts(described, asked[name]),
            )
        return applications

    def _plan(self, described: Mapping[str, Any], asked: Asked) -> Plan | None:
        """The plan that the snapshot has; where that is not valid the one in force, if it still is; else the first."""
        name, document = described["name"], described.get("plan")
        if document is not None and asked.arms:
            plan = asked.plan_of(document, name)
            if plan is not None:
                return plan
            before = self._applications.get(name)
            if before is not None and before.plan is not None and asked.can_ask(before.plan):
                return before.plan
        return initial_plan(described["policy"], list(asked.arms.values()))

    def _contexts(self, described: Mapping[str, Any], asked: Asked) -> ContextPlans | None:
        """The table of the last snapshot's application, unless its plans are another policy's."""
        if not (described.get("learning") or {}).get("per_context", False):
            return None
        name = described["name"]
        before, application = self._asked.get(name), self._applications.get(name)
        if before is not None and application is not None and before.policy == asked.policy and application.contexts:
            return application.contexts
        return ContextPlans(asked.max_contexts)

    def _routes(self, applications: Mapping[str, Application]) -> RouteTable:
        routes = list(self._operations_routes)
        routes += [
            (f"/{name}/predict".encode(), Route("predict", application, is_predict=True))
            for name, application in applications.items()
        ]
        if self._learner is not None:
            routes += [
                (f"/{name}/update".encode(), Route("update", self._learner.route_of(application), takes_body=True))
                for name, application in applications.items()
            ]
        return RouteTable(routes)


def _smallest_slo_us(snapshot: Snapshot) -> dict[str, int]:
    """Per model name the smallest SLO of the applications that link it."""
    smallest: dict[str, int] = {}
    for described in snapshot["applications"]:
        for model in described["models"]:
            slo_us = described["latency_slo_us"]
            smallest[model] = min(slo_us, smallest.get(model, slo_us))
    return smallest


def _linked_model(application: str, model: str, versions: Mapping[str, Any]) -> Mapping[str, Any]:
    if model not in versions:
        raise InvalidArgumentError(f"application {application!r} links model {model!r}, which the snapshot lacks")
    described: Mapping[str, Any] = versions[model]
    return described


def _whom_to_ask(snapshot: Snapshot, models: Mapping[ModelId, ModelRuntime]) -> dict[str, Asked]:
    versions = {described["name"]: described for described in snapshot["models"]}
    return {
        described["name"]: Asked.of(
            described, [_linked_model(described["name"], model, versions) for model in described["models"]], models
        )
        for described in snapshot["applications"]
    }


def _arms_plan(described: Mapping[str, Any], models: Sequence[ModelRuntime]) -> Plan | None:
    """What feedback by input asks: every model that an answer could come from, as far as a plan goes."""
    if described.get("learning") is None or not models:
        return None
    return Plan("members", models[:MAX_MEMBERS], waits_for_all=True)


def _version_plans(
    input_type: str, linked: Sequence[Mapping[str, Any]], models: Mapping[ModelId, ModelRuntime]
) -> dict[str, Plan] | None:
    """A plan per version of the one linked model; None where a version would be ambiguous."""
    if len(linked) != 1:
        return None
    name = linked[0]["name"]
    return {
        version["version"]: Plan("arms", [models[ModelId(name, version["version"])]], probabilities=[1.0])
        for version in linked[0]["versions"]
        # One that is still being deployed is not there yet for those who ask for it by name.
        if version["input_type"] == input_type and version.get("is_deployed", True)
    }


def _json_text(application: str, default_output: str) -> bytes:
    """The default output as it stands in answers. Management made JSON of it; a broken one must not break answers."""
    try:
        json.loads(default_output, parse_constant=_refuse_constant)
    except ValueError as error:
        raise InvalidArgumentError(f"the default output of application {application!r} is not JSON: {error}") from error
    return default_output.encode()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
