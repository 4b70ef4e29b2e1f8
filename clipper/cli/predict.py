"""``clipper predict``: one query, or a file of them, to see what an application answers."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from clipper.cli.durations import format_us, parse_duration_us
from clipper.cli.inputs import read_input
from clipper.cli.options import ApplicationArgument, JsonOption, with_server
from clipper.cli.output import print_json, say, warn
from clipper.cli.server import Server
from clipper.client.api_paths import segment
from clipper.errors import NotFoundError

# A query is answered within its SLO, an hour at most; the caller only guards against a dead server.
_PREDICT_LIMIT_US: Final = 3_660_000_000


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
    value = read_input(query, found["input_type"], application, batch=batch)
    body: dict[str, Any] = {"input_batch" if batch else "input": value}
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
    which = f"query {answers[0]['query_id']} " if not batch else ""
    say(f"{which}{_who(answers)} in {format_us(elapsed_us)}")


def _print(answer: Mapping[str, Any]) -> None:
    if "error" in answer:
        print("null")
        warn(f"{answer['error']}: {answer['cause']}")
        return
    print(json.dumps(answer["output"], ensure_ascii=False))
    if answer["default"]:
        warn(f"this is the default output: {answer['default_explanation']}")


def _who(answers: list[Mapping[str, Any]]) -> str:
    models = sorted({_describe(item) for item in answers if item.get("model")})
    return f"answered by {', '.join(models)}" if models else "answered without a model"


def _describe(item: Mapping[str, Any]) -> str:
    without = f", without {', '.join(item['missing'])}" if item.get("missing") else ""
    return f"{item['model']} (confidence {item['confidence']:g}{without})"
