"""An application with three models whose plan a test chooses, without management."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clipper._core.model_runtime import ModelRuntime
from clipper._core.plan import Plan
from tests.support.data_path import DataPath, application, model
from tests.support.puppet_container import PuppetContainer

MODELS = ("a", "b", "c")


def arms_of(*names: str) -> list[str]:
    """Return the arms of models at version 1."""
    return [f"{name}:1" for name in names]


def plan_document(plan_id: int, kind: str, models: Sequence[str] = MODELS, **fields: Any) -> dict[str, Any]:
    """Return a plan as management sends it."""
    return {"plan_id": plan_id, "kind": kind, "models": arms_of(*models), **fields}


def link(path: DataPath, plan: dict[str, Any] | None = None, **changes: Any) -> list[PuppetContainer]:
    """Link three models with a learning policy and this plan; return their containers."""
    apply(path, plan, **changes)
    return [path.ready(name) for name in MODELS]


def apply(path: DataPath, plan: dict[str, Any] | None = None, models: Sequence[str] = MODELS, **changes: Any) -> None:
    """Swap in a snapshot with this plan; ``lone`` asks model c alone."""
    learning = {"per_context": True, "max_contexts": 3}
    policy = {"name": "static", "model": "a"}
    described = application(**{"models": models, "policy": policy, "learning": learning, "plan": plan, **changes})
    path.apply([described, application("lone", models=["c"])], [model(name) for name in MODELS])


def send_plans(path: DataPath, *plans: tuple[str | None, dict[str, Any] | None], app: str = "app") -> None:
    """Hand a worker the message that management sends: plans by context, None being everybody."""
    message = {"type": "plans", "application": app, "plans": [{"context": key, "plan": plan} for key, plan in plans]}
    path.call(lambda: path.snapshots.take_plans(message))


def runtime_of(path: DataPath, name: str) -> ModelRuntime:
    """Return a model's runtime."""
    found = path.call(lambda: path.snapshots.find_model(name, "1"))
    assert isinstance(found, ModelRuntime)
    return found


def set_plan(path: DataPath, kind: Any, models: Sequence[str] = MODELS, **options: Any) -> None:
    """Give the application a plan of the core."""
    runtimes = [runtime_of(path, name) for name in models]
    plan = Plan(kind, runtimes, plan_id=1, **options)
    path.call(lambda: path.snapshots.applications["app"].set_plan(plan))
