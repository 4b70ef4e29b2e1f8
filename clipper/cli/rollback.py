"""``clipper rollback``: the version that answered before, or another one, answers again."""

from __future__ import annotations

from typing import Annotated

import typer

from clipper.cli.completion import complete_versions
from clipper.cli.models import set_current
from clipper.cli.options import JsonOption, ModelArgument, with_server
from clipper.cli.output import print_json
from clipper.cli.server import Server
from clipper.client.api_paths import segment
from clipper.errors import ConflictError


@with_server
def rollback(
    server: Server,
    model: ModelArgument,
    version: Annotated[
        str | None,
        typer.Argument(
            help="The version to go to. Default: the one that was current before.",
            metavar="VERSION",
            autocompletion=complete_versions,
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Go back to the version that answered before.

    Queries reach it when this returns. It must still be deployed.
    """
    if version is not None:
        set_current(server, model, version, as_json)
        return
    try:
        with server.suggesting(model=model):
            found = server.post(f"/models/{segment(model)}/rollback")
    except ConflictError as error:
        raise ConflictError(error.message, hint=f"{error.hint}: clipper rollback {model} VERSION") from error
    if as_json:
        print_json(found)
        return
    print(f"{model}:{found['current_version']} answers now")
