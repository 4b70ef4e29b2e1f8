"""``clipper deploy``: a model version from what a data scientist has in hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from clipper.cli.completion import complete_applications, complete_containers, complete_models
from clipper.cli.inputs import read_input
from clipper.cli.links import link_model
from clipper.cli.options import JsonOption, with_server
from clipper.cli.output import print_json, say
from clipper.cli.progress import follow
from clipper.cli.server import Server
from clipper.client.api_paths import segment
from clipper.client.checks import check_batching
from clipper.deploy.resources import with_gpus
from clipper.errors import AlreadyExistsError, InvalidArgumentError


@with_server
def deploy(
    server: Server,
    name: Annotated[str, typer.Argument(help="Name of the model.", metavar="NAME", autocompletion=complete_models)],
    version: Annotated[str, typer.Argument(help="A version that it does not have yet: 1, v2.", metavar="VERSION")],
    source: Annotated[
        str | None,
        typer.Argument(
            help="model.pkl, model.joblib, module:function, file.py:function, or a directory; none for a container "
            "that needs no files.",
            metavar="SOURCE",
            show_default=False,
        ),
    ] = None,
    container: Annotated[
        str | None,
        typer.Option(
            "--container",
            help="What evaluates it. Default: as SOURCE needs.",
            metavar="NAME",
            autocompletion=complete_containers,
            show_default=False,
        ),
    ] = None,
    input_type: Annotated[
        str, typer.Option("--input-type", help="integers, floats, doubles, strings, bytes or tensor.", metavar="TYPE")
    ] = "doubles",
    replicas: Annotated[int, typer.Option("--replicas", help="How many containers run it.", metavar="N")] = 1,
    batching: Annotated[
        str | None,
        typer.Option(
            "--batching",
            help="Who chooses the batch size: aimd, quantile or fixed. Default: aimd, or fixed with --batch-size.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", help="A fixed batch size. Default: found by measurement.", metavar="N", min=1),
    ] = None,
    max_batch_size: Annotated[
        int,
        typer.Option("--max-batch-size", help="Ceiling of the measured batch size; 0 = none.", metavar="N", min=0),
    ] = 0,
    method: Annotated[
        str | None,
        typer.Option("--method", help="Method of a scikit-learn estimator. Default: predict.", metavar="NAME"),
    ] = None,
    labels: Annotated[
        list[str] | None, typer.Option("--label", help="A label; may be repeated.", metavar="TEXT")
    ] = None,
    environment: Annotated[
        list[str] | None,
        typer.Option("--env", help="CLIPPER_NAME=VALUE for the container; may be repeated.", metavar="NAME=VALUE"),
    ] = None,
    resources: Annotated[
        list[str] | None,
        typer.Option("--resource", help="What each replica asks for: cpu=2; may be repeated.", metavar="NAME=VALUE"),
    ] = None,
    gpus: Annotated[
        float | None,
        typer.Option(
            "--gpus",
            help="Devices of each replica: 1, or 0.5 of one; 0: it sees none. Default: nobody counts.",
            metavar="N",
            show_default=False,
        ),
    ] = None,
    description: Annotated[
        str, typer.Option("--description", help="A text for people.", metavar="TEXT", show_default=False)
    ] = "",
    sample: Annotated[
        str | None,
        typer.Option(
            "--sample",
            help="An input that every replica must evaluate before it gets a query: JSON, or @FILE as of `predict`.",
            metavar="INPUT",
        ),
    ] = None,
    current: Annotated[
        bool, typer.Option("--current/--not-current", help="Let it answer the queries that name no version.")
    ] = True,
    link: Annotated[
        list[str] | None,
        typer.Option(
            "--link",
            help="Link it to this application; may be repeated.",
            metavar="APP",
            autocompletion=complete_applications,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Deploy a model version.

       Every replica is ready when this returns, or nothing of it is left.
    A pickle is opened only in the container, never by this command or by Clipper itself.
    """
    controller, fixed_size = check_batching(batching, batch_size)
    body: dict[str, Any] = {
        "version": version,
        "input_type": input_type,
        "replicas": replicas,
        "controller": controller,
        "batch_size": fixed_size,
        "max_batch_size": max_batch_size,
        "labels": labels or [],
        "environment": dict(_pair(word, "--env") for word in environment or ()),
        "resources": with_gpus(
            {name: _amount(value) for name, value in (_pair(word, "--resource") for word in resources or ())}, gpus
        ),
        "description": description,
        "make_current": current,
        "sample_input": None if sample is None else read_input(sample, input_type, name, source="--sample"),
    }
    for application in link or ():  # a misspelt name is told before anything is deployed
        with server.suggesting(application=application):
            server.get(f"/applications/{segment(application)}")
    with _files(server, source, container, method) as (used, files):
        body |= {"container": used} | ({} if files is None else {"files": files})
        found = _deploy(server, name, body)
    for application in link or ():
        link_model(server, application, name)
    if as_json:
        print_json(found)
        return
    print(f"{name}:{version} is ready: {found['ready_replicas']} of {found['replicas']} replicas")
    if not found["is_current"]:
        print(f"it answers only queries that name it; `clipper models use {name} {version}` lets it answer all")


def _deploy(server: Server, name: str, body: dict[str, Any]) -> Any:
    version = body["version"]
    try:
        return follow(server.events("POST", f"/models/{segment(name)}/versions", body), f"deploying {name}:{version}")
    except AlreadyExistsError as error:
        hint = error.hint or f"deploy it as another version, or delete this one: clipper models delete {name} {version}"
        raise AlreadyExistsError(error.message, hint=hint) from error


@contextmanager
def _files(
    server: Server, source: str | None, container: str | None, method: str | None
) -> Iterator[tuple[str, str | None]]:
    """Yield the container, and the name of the files at the server; they are removed if nothing took them."""
    if source is None:
        if container is None:
            raise InvalidArgumentError(
                "there is no model to deploy",
                hint="name a file, module:function, or a container that needs no files: --container noop",
            )
        yield container, None
        return
    from clipper.cli.model_source import ModelSource

    model = ModelSource(source, container, method)
    say(f"{source}: {model.description}, opened only in the container {model.container!r}")
    with server.model_files(model.save) as files:
        yield model.container, files


def _pair(word: str, option: str) -> tuple[str, str]:
    name, is_given, value = word.partition("=")
    if not name or not is_given:
        raise InvalidArgumentError(f"{option}={word!r} is not valid: expected NAME=VALUE")
    return name, value


def _amount(value: str) -> int | str:
    return int(value) if value.isdecimal() else value
