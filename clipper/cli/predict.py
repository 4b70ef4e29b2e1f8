"""``clipper predict``: one query, or a file of them, to see what an application answers."""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from clipper.cli.durations import format_us, parse_duration_us
from clipper.cli.options import ApplicationArgument, JsonOption, with_server
from clipper.cli.output import print_json, say, warn
from clipper.cli.server import Server, segment
from clipper.errors import InvalidArgumentError, NotFoundError

# A query is answered within its SLO, an hour at most; the caller only guards against a dead server.
_PREDICT_LIMIT_US: Final = 3_660_000_000
_TEXT_TYPES: Final = ("strings", "bytes")


@with_server
def predict(
    server: Server,
    application: ApplicationArgument,
    query: Annotated[
        str,
        typer.Argument(
            help="One input as JSON, such as [1,2,3]; @FILE (JSON, .npy or .csv) or - (stdin). Text for an application "
            "of strings needs no quotes.",
            metavar="INPUT",
        ),
    ],
    batch: Annotated[
        bool, typer.Option("--batch", help="INPUT is an array of inputs: one query each.", show_default=False)
    ] = False,
    version: Annotated[
        str | None,
        typer.Option(
            "--version", help="Ask this version instead of the current one.", metavar="VERSION", show_default=False
        ),
    ] = None,
    context: Annotated[
        str | None,
        typer.Option("--context", help="The user or session it belongs to.", metavar="TEXT", show_default=False),
    ] = None,
    slo: Annotated[
        str | None, typer.Option("--slo", help="Its own latency objective: 50ms.", metavar="DURATION")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Send a query, as an application would.

    The output goes to stdout, what else is known to stderr.
    """
    status = server.status()
    found = {item["name"]: item for item in status["applications"]}.get(application)
    if found is None:
        with server.suggesting(application=application):
            raise NotFoundError(
                f"there is no application {application!r}",
                hint=f"known: {', '.join(item['name'] for item in status['applications']) or 'none'}",
            )
    body: dict[str, Any] = {"input_batch" if batch else "input": _input(query, found, batch)}
    options = {
        "version": version,
        "context": context,
        "slo_us": None if slo is None else parse_duration_us(slo, "--slo"),
    }
    body |= {key: value for key, value in options.items() if value is not None}
    client = server.query(status)
    started_ns = time.perf_counter_ns()
    answer = client.call("POST", f"/{segment(application)}/predict", body, limit_us=_PREDICT_LIMIT_US)
    elapsed_us = (time.perf_counter_ns() - started_ns) / 1000
    if as_json:
        print_json(answer)
        return
    answers = answer["batch_predictions"] if batch else [answer]
    for item in answers:
        _print(item)
    say(f"{_who(answers)} in {format_us(elapsed_us)}")


def _print(answer: Mapping[str, Any]) -> None:
    if "error" in answer:
        print("null")
        warn(f"{answer['error']}: {answer['cause']}")
        return
    print(json.dumps(answer["output"], ensure_ascii=False))
    if answer["default"]:
        warn(f"this is the default output: {answer['default_explanation']}")


def _who(answers: list[Mapping[str, Any]]) -> str:
    models = sorted({f"{item['model']} (confidence {item['confidence']:g})" for item in answers if item.get("model")})
    return f"answered by {', '.join(models)}" if models else "answered without a model"


def _input(query: str, application: Mapping[str, Any], batch: bool) -> Any:
    """Return the input that the argument stands for."""
    if query == "-":
        return _parse(sys.stdin.buffer.read(), "stdin", application, batch)
    if query.startswith("@"):
        path = Path(query[1:]).expanduser()
        try:
            if path.suffix == ".npy":
                return _read_array(path)
            data = path.read_bytes()
        except OSError as error:
            raise NotFoundError(f"{str(path)!r} cannot be read: {error.strerror}") from error
        if path.suffix == ".csv":
            return _read_csv(data, path, batch)
        return _parse(data, str(path), application, batch)
    return _parse(query.encode(), "INPUT", application, batch)


def _parse(data: bytes, source: str, application: Mapping[str, Any], batch: bool) -> Any:
    """Return the JSON value of ``data``; what is none is text where the application takes text."""
    input_type = application["input_type"]
    takes_text = input_type in _TEXT_TYPES and not batch
    try:
        value = json.loads(data)
        if not takes_text or isinstance(value, str):
            return value
    except ValueError as error:
        if not takes_text:
            raise InvalidArgumentError(
                f"{source} is no JSON: {error}", hint=f"{application['name']} takes {_example(application, batch)}"
            ) from error
    if input_type == "bytes":
        return base64.b64encode(data).decode("ascii")
    try:
        return data.decode("utf-8").removesuffix("\n")
    except UnicodeDecodeError as error:
        raise InvalidArgumentError(f"{source} is not UTF-8 text: {error}") from error


def _example(application: Mapping[str, Any], batch: bool) -> str:
    one = '"a string"' if application["input_type"] in _TEXT_TYPES else "[1, 2, 3]"
    return f"an array of {application['input_type']}, for example " + (f"'[{one}, {one}]'" if batch else f"'{one}'")


def _read_array(path: Path) -> Any:
    import numpy as np

    try:
        return np.load(path, allow_pickle=False).tolist()
    except ValueError as error:
        raise InvalidArgumentError(f"{str(path)!r} is no array of numbers: {error}") from error


def _read_csv(data: bytes, path: Path, batch: bool) -> Any:
    try:
        rows = [[float(cell) for cell in line.split(",")] for line in data.decode("utf-8").splitlines() if line.strip()]
    except ValueError as error:
        raise InvalidArgumentError(f"{str(path)!r} holds something that is no number: {error}") from error
    if batch:
        return rows
    if len(rows) != 1:
        raise InvalidArgumentError(f"{str(path)!r} holds {len(rows)} rows, and one query takes one", hint="--batch")
    return rows[0]
