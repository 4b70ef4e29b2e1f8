"""Names of the running Clipper for the shell's completion: quick, and silent where there is none."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Final

import typer

LOG_SOURCES: Final = ("frontend", "management", "supervisor")
CONTAINERS: Final = ("image_classifier", "noop", "python_function", "simulated", "sklearn", "sum")


def complete_applications(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of applications."""
    return _starting(incomplete, (item["name"] for item in _ask(ctx, "/applications") or ()))


def complete_models(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of models."""
    return _starting(incomplete, (item["name"] for item in _ask(ctx, "/models") or ()))


def complete_versions(ctx: typer.Context, incomplete: str) -> list[str]:
    """Versions of the model that the command line names already."""
    model = ctx.params.get("model") or ctx.params.get("name")
    found = _ask(ctx, f"/models/{model}") if model else None
    return _starting(incomplete, (item["version"] for item in (found or {}).get("versions", ())))


def complete_policies(incomplete: str) -> list[str]:
    """Names of the policies that come with Clipper."""
    from clipper.selection.registry import POLICIES

    return _starting(incomplete, POLICIES)


def complete_log_sources(ctx: typer.Context, incomplete: str) -> list[str]:
    """Replicas, and the other processes that keep a log."""
    replicas = [item["replica_id"] for item in _ask(ctx, "/replicas") or ()]
    return _starting(incomplete, [*LOG_SOURCES, *replicas])


def complete_containers(incomplete: str) -> list[str]:
    """Names of the containers that come with Clipper."""
    return _starting(incomplete, CONTAINERS)


def _starting(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _ask(ctx: typer.Context, path: str) -> Any:
    """Return management's answer, or None."""
    from clipper.cli.quick_get import quick_get

    return quick_get(_option(ctx, "url", "CLIPPER_URL"), _option(ctx, "run_dir", "CLIPPER_RUN_DIR"), path)


def _option(ctx: typer.Context, name: str, variable: str) -> str | None:
    return ctx.params.get(name) or os.environ.get(variable) or None
