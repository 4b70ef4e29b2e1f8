"""``clipper scale``: how many replicas of a model version run."""

from __future__ import annotations

from typing import Annotated

import typer

from clipper.cli.completion import complete_versions
from clipper.cli.options import JsonOption, ModelArgument, with_server
from clipper.cli.output import print_json
from clipper.cli.progress import follow
from clipper.cli.server import Server
from clipper.client.api_paths import segment
from clipper.errors import NotFoundError


@with_server
def scale(
    server: Server,
    model: ModelArgument,
    count: Annotated[int, typer.Argument(help="How many replicas there shall be.", metavar="COUNT")],
    version: Annotated[
        str | None,
        typer.Option(
            "--version",
            help="Default: the version that answers.",
            metavar="VERSION",
            autocompletion=complete_versions,
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change how many replicas a model has.

    Returns when they are ready, or gone. This also ends a quarantine.
    """
    with server.suggesting(model=model):
        if version is None:
            version = server.get(f"/models/{segment(model)}")["current_version"]
        if version is None:
            raise NotFoundError(
                f"the model {model!r} has no current version", hint="say which one is meant: --version VERSION"
            )
        path = f"/models/{segment(model)}/versions/{segment(version)}/replicas"
        found = follow(server.events("PUT", path, {"count": count}), f"scaling {model}:{version} to {count}")
    if as_json:
        print_json(found)
        return
    print(f"{model}:{version} has {found['ready_replicas']} of {found['replicas']} replicas ready")
