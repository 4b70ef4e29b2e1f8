"""Options that several commands share, and how a command gets the server it speaks to."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from clipper.cli.completion import complete_applications, complete_models, complete_versions
from clipper.cli.server import connect

_Result = TypeVar("_Result")

CONNECTION_PANEL: Final = "Which Clipper"

RunDirOption = Annotated[
    Path | None,
    typer.Option(
        "--run-dir",
        envvar="CLIPPER_RUN_DIR",
        metavar="DIR",
        help="Directory of state, logs and sockets. Default: clipper/default in $XDG_STATE_HOME or ~/.local/state.",
        rich_help_panel=CONNECTION_PANEL,
        show_default=False,
    ),
]
UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="CLIPPER_URL",
        metavar="URL",
        help="Address of its management API. Default: as its run directory says.",
        rich_help_panel=CONNECTION_PANEL,
        show_default=False,
    ),
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        envvar="CLIPPER_TOKEN_FILE",
        metavar="FILE",
        help="File with the token of its management. Default: the variable CLIPPER_TOKEN.",
        rich_help_panel=CONNECTION_PANEL,
        show_default=False,
    ),
]
CaFileOption = Annotated[
    Path | None,
    typer.Option(
        "--ca-file",
        envvar="CLIPPER_CA_FILE",
        metavar="FILE",
        help="Certificates to trust with https. Default: those of the system.",
        rich_help_panel=CONNECTION_PANEL,
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.", show_default=False)]
ApplicationArgument = Annotated[
    str, typer.Argument(help="Name of the application.", metavar="APP", autocompletion=complete_applications)
]
ModelArgument = Annotated[
    str, typer.Argument(help="Name of the model.", metavar="MODEL", autocompletion=complete_models)
]
VersionArgument = Annotated[
    str, typer.Argument(help="Version of the model.", metavar="VERSION", autocompletion=complete_versions)
]

_CONNECTION: Final = {
    "url": UrlOption,
    "run_dir": RunDirOption,
    "token_file": TokenFileOption,
    "ca_file": CaFileOption,
}


def with_server(command: Callable[..., _Result]) -> Callable[..., _Result]:
    """Give a command the options that say which Clipper is meant, and the `Server` as its first argument."""
    signature = inspect.signature(command, eval_str=True)
    own = list(signature.parameters.values())[1:]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in _CONNECTION.items()
    ]

    @functools.wraps(command)
    def connected(**values: Any) -> _Result:
        chosen = {name: values.pop(name) for name in _CONNECTION}
        with connect(**chosen) as server:
            return command(server, **values)

    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own] + added
    del connected.__wrapped__  # typer would look at its signature
    connected.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    connected.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return connected
