"""``clipper link`` and ``clipper unlink``: which models answer the queries of an application."""

from __future__ import annotations

from typing import Any

from clipper.cli.options import ApplicationArgument, JsonOption, ModelArgument, with_server
from clipper.cli.output import print_json
from clipper.cli.server import Server
from clipper.client.api_paths import segment


@with_server
def link(server: Server, application: ApplicationArgument, model: ModelArgument, as_json: JsonOption = False) -> None:
    """Let an application use a model.

    Queries reach it when this returns.
    """
    found = link_model(server, application, model)
    if as_json:
        print_json(found)
        return
    print(f"{application} uses {', '.join(found['models'])}")


@with_server
def unlink(server: Server, application: ApplicationArgument, model: ModelArgument, as_json: JsonOption = False) -> None:
    """Undo a link."""
    with server.suggesting(application=application, model=model):
        server.delete(_path(application, model))
    found = server.get(f"/applications/{segment(application)}")
    if as_json:
        print_json(found)
        return
    print(f"{application} uses {', '.join(found['models']) or 'no model: its queries get the default output'}")


def link_model(server: Server, application: str, model: str) -> dict[str, Any]:
    """Make the link and return the application."""
    with server.suggesting(application=application, model=model):
        found: dict[str, Any] = server.put(_path(application, model))
    return found


def _path(application: str, model: str) -> str:
    return f"/applications/{segment(application)}/links/{segment(model)}"
