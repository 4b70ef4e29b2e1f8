"""``clipper apps``: applications, the endpoints that queries are sent to."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from clipper.cli.assignments import parse_assignments
from clipper.cli.completion import complete_policies
from clipper.cli.durations import format_slo, parse_duration_us
from clipper.cli.group import ListGroup
from clipper.cli.options import ApplicationArgument, JsonOption, with_server
from clipper.cli.output import print_json, print_table
from clipper.cli.policy import describe_policy
from clipper.cli.server import Server
from clipper.client.api_paths import segment
from clipper.errors import InvalidArgumentError

app = typer.Typer(cls=ListGroup, help="List, register, show and delete applications; without a command: list.")


@app.command("list")
@with_server
def list_applications(server: Server, as_json: JsonOption = False) -> None:
    """List the applications."""
    found = server.get("/applications")
    if as_json:
        print_json(found)
        return
    columns = ("APPLICATION", "INPUT", ">SLO", "ON MISS", "DEFAULT OUTPUT", "MODELS")
    print_table(
        columns, [_row(item) for item in found], "There are no applications: `clipper apps register` makes one."
    )


@app.command("register")
@with_server
def register(
    server: Server,
    name: Annotated[str, typer.Argument(help="Its name: queries go to /NAME/predict.", metavar="NAME")],
    slo: Annotated[str, typer.Option("--slo", help="Latency objective with its unit: 20ms.", metavar="DURATION")],
    input_type: Annotated[
        str, typer.Option("--input-type", help="integers, floats, doubles, strings, bytes or tensor.", metavar="TYPE")
    ] = "doubles",
    default_output: Annotated[
        str, typer.Option("--default", help="What a query gets when no model answers in time: JSON.", metavar="JSON")
    ] = "null",
    shape: Annotated[
        str | None, typer.Option("--shape", help="Length of a vector, or dimensions of a tensor: 28,28.", metavar="N,N")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option("--dtype", help="Element type of a tensor: float32.", metavar="TYPE")
    ] = None,
    on_miss: Annotated[
        str,
        typer.Option(
            "--on-miss", help="Answer a miss with the output by --default, or with an error.", metavar="default|error"
        ),
    ] = "default",
    policy: Annotated[
        str | None,
        typer.Option(
            "--policy",
            help="How it chooses among its models: a name of `clipper policy`, or JSON with parameters. "
            "Default: majority, if several are linked.",
            metavar="POLICY",
            autocompletion=complete_policies,
        ),
    ] = None,
    learning: Annotated[
        list[str] | None,
        typer.Option(
            "--learning",
            help="What feedback means: per_context=true, loss=squared; may be repeated. {} takes feedback as it is.",
            metavar="KEY=VALUE",
        ),
    ] = None,
    max_slo: Annotated[
        str | None,
        typer.Option("--max-slo", help="Ceiling of a query's own slo_us. Default: --slo.", metavar="DURATION"),
    ] = None,
    cache: Annotated[bool, typer.Option("--cache/--no-cache", help="Remember predictions.")] = True,
    cache_ttl: Annotated[
        str | None,
        typer.Option("--cache-ttl", help="For how long: 10s. Default: until there is no room.", metavar="DURATION"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Register an application; queries to it are answered when this returns."""
    body = {
        "name": name,
        "input_type": input_type,
        "default_output": parse_json(default_output, "--default"),
        "latency_slo_us": parse_duration_us(slo, "--slo"),
        "max_slo_us": None if max_slo is None else parse_duration_us(max_slo, "--max-slo"),
        "shape": None if shape is None else _shape(shape),
        "dtype": dtype,
        "on_miss": on_miss,
        "policy": _policy(policy),
        "learning": None if learning is None else parse_assignments(learning, "--learning"),
        "cache": cache,
        "cache_ttl_us": 0 if cache_ttl is None else parse_duration_us(cache_ttl, "--cache-ttl"),
    }
    answer = server.post("/applications", body)
    if as_json:
        print_json(answer)
        return
    print(f"registered {name}: `clipper link {name} MODEL` lets a model answer its queries")


@app.command("show")
@with_server
def show(server: Server, name: ApplicationArgument, as_json: JsonOption = False) -> None:
    """Show one application."""
    with server.suggesting(application=name):
        found = server.get(f"/applications/{segment(name)}")
    if as_json:
        print_json(found)
        return
    shape = found["shape"]
    rows = [
        ("name", found["name"]),
        ("input type", found["input_type"] + ("" if shape is None else f" of shape {_times(shape)}")),
        *([("dtype", found["dtype"])] if found["dtype"] else []),
        ("latency SLO", format_slo(found["latency_slo_us"])),
        ("SLO ceiling", format_slo(found["max_slo_us"])),
        ("on miss", found["on_miss"]),
        ("default output", json.dumps(found["default_output"])),
        ("policy", describe_policy(found["policy"])),
        *([("learning", _learning(found["learning"]))] if found.get("learning") is not None else []),
        ("cache", _cache(found)),
        ("models", ", ".join(found["models"]) or "none"),
    ]
    print_table(("APPLICATION", name), rows[1:], "")


@app.command("delete")
@with_server
def delete(server: Server, name: ApplicationArgument) -> None:
    """Delete an application; its models stay."""
    with server.suggesting(application=name):
        server.delete(f"/applications/{segment(name)}")
    print(f"deleted {name}")


def parse_json(text: str, option: str) -> Any:
    """Return a JSON value of the command line.

    Raises
    ------
    InvalidArgumentError
        It is none.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidArgumentError(
            f"{option}={text!r} is no JSON: {error}", hint=f"a string is written with its quotes: '\"{text}\"'"
        ) from error


def _row(found: dict[str, Any]) -> tuple[str, ...]:
    shape = "" if found["shape"] is None else f"[{_times(found['shape'])}]"
    return (
        found["name"],
        f"{found['dtype'] or found['input_type']}{shape}",
        format_slo(found["latency_slo_us"]),
        found["on_miss"],
        json.dumps(found["default_output"]),
        ", ".join(found["models"]) or "-",
    )


def _cache(found: dict[str, Any]) -> str:
    if not found["cache"]:
        return "off"
    return f"on, for {format_slo(found['cache_ttl_us'])}" if found["cache_ttl_us"] else "on"


def _policy(text: str | None) -> Any:
    return parse_json(text, "--policy") if text is not None and text.lstrip().startswith("{") else text


def _learning(learning: dict[str, Any]) -> str:
    return ", ".join(f"{key}={json.dumps(value)}" for key, value in learning.items() if value is not None) or "on"


def _times(shape: list[int]) -> str:
    return "x".join(map(str, shape))


def _shape(text: str) -> list[int]:
    try:
        return [int(length) for length in text.replace("x", ",").split(",")]
    except ValueError:
        raise InvalidArgumentError(f"--shape={text!r} is no shape", hint="for example 784, or 28,28") from None
