"""Names of the running Clipper for the shell's completion: quick, and silent where there is none.

A shell waits for this while the user types, so it speaks HTTP through the standard library, with short limits, and any
trouble means that there is nothing to complete.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import typer

from clipper.errors import ClipperError

_LIMIT_S: Final = 0.5
LOG_SOURCES: Final = ("frontend", "management", "supervisor")
CONTAINERS: Final = ("noop", "python_function", "simulated", "sklearn", "sum")


def complete_applications(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of applications."""
    return _starting(incomplete, (item["name"] for item in _ask(ctx, "/applications") or ()))


def complete_models(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of models."""
    return _starting(incomplete, (item["name"] for item in _ask(ctx, "/models") or ()))


def complete_versions(ctx: typer.Context, incomplete: str) -> list[str]:
    """Versions of the model that the command line names already."""
    model = ctx.params.get("model") or ctx.params.get("name")
    found = _ask(ctx, f"/models/{quote(str(model), safe='')}") if model else None
    return _starting(incomplete, (item["version"] for item in (found or {}).get("versions", ())))


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
    try:
        return _get(_option(ctx, "url", "CLIPPER_URL"), _option(ctx, "run_dir", "CLIPPER_RUN_DIR"), path)
    except (OSError, ValueError, http.client.HTTPException, ClipperError):
        return None


def _option(ctx: typer.Context, name: str, variable: str) -> str | None:
    return ctx.params.get(name) or os.environ.get(variable) or None


def _get(url: str | None, run_dir: str | None, path: str) -> Any:
    from clipper.cli.server import API, DEFAULT_URL, TOKEN_VARIABLE

    token = os.environ.get(TOKEN_VARIABLE, "")
    ca_file: Path | None = Path(os.environ["CLIPPER_CA_FILE"]) if os.environ.get("CLIPPER_CA_FILE") else None
    if url is None:
        from clipper.cli.instance import resolve_run_dir, running_config

        config = running_config(resolve_run_dir(Path(run_dir) if run_dir else None))
        url = DEFAULT_URL if config is None else config.management_url
    parts = urlsplit(url)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=ca_file)
        connection = http.client.HTTPSConnection(parts.netloc, timeout=_LIMIT_S, context=context)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=_LIMIT_S)
    try:
        connection.request("GET", API + path, headers={"Authorization": f"Bearer {token}"} if token else {})
        response = connection.getresponse()
        return json.loads(response.read()) if response.status == 200 else None
    finally:
        connection.close()
