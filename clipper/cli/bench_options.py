"""Options that the commands of ``clipper bench`` share, and how a command gets them as one value."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from clipper.cli.completion import complete_applications
from clipper.cli.options import CaFileOption, JsonOption, RunDirOption, TokenFileOption, UrlOption

_SENT: Final = "What is sent, and what is right"
_LOAD: Final = "How the load is made"
_WATCHED: Final = "What is watched"

TargetArgument = Annotated[
    str,
    typer.Argument(
        help="What is measured: a URL, http://HOST:PORT/PATH, or the name of an application of this machine's Clipper.",
        metavar="TARGET",
        autocompletion=complete_applications,
    ),
]


@dataclass(frozen=True)
class LoadOptions:
    """What was given; the defaults are those of the command line."""

    input: tuple[str, ...] = ()
    inputs: Path | None = None
    answers: Path | None = None
    form: str = "auto"
    unique: bool | None = None
    method: str = "POST"
    header: tuple[str, ...] = ()
    expect: tuple[str, ...] = ()
    expect_status: int = 200
    arrivals: str = "poisson"
    keys: str = "unique"
    duration: str = "5s"
    warmup: str = "1s"
    connections: int = 256
    threads: int = 1
    seed: int = 1
    slo: str | None = None
    percentile: float = 99.0
    max_misses: str = "1%"
    pid: tuple[int, ...] = ()
    watch: bool = True
    metrics: str | None = None
    max_other_cores: float = 0.2
    output: Path | None = None
    as_json: bool = False
    connection: Mapping[str, Any] = field(default_factory=dict)


def _option(kind: Any, *flags: str, panel: str | None = None, **about: Any) -> Any:
    return Annotated[kind, typer.Option(*flags, rich_help_panel=panel, **about)]


_FIELDS: Final[dict[str, Any]] = {
    "input": _option(
        list[str] | None, "--input", "-i", panel=_SENT, metavar="INPUT",
        help="What a request holds: JSON, @FILE (.json, .npy, .npz; others as they are) or - (stdin); repeated: "
        "in turn. {counter} in it becomes eight digits of the request's own. Default: of an application made up; of a "
        "URL none, a GET.",
    ),
    "inputs": _option(
        Path | None, "--inputs", panel=_SENT, metavar="FILE",
        help="Many of them: a line of JSON each, or the rows of a .npy.",
    ),
    "answers": _option(
        Path | None, "--answers", panel=_SENT, metavar="FILE", help="The right answer to each input, likewise.",
    ),
    "form": _option(
        str, "--form", panel=_SENT, metavar="FORM",
        help="What an input becomes: clipper, json (it is the body), binary, oip, oip-binary or get. auto tells by the "
        "URL.",
    ),
    "unique": _option(
        bool | None, "--unique/--same", panel=_SENT, show_default=False,
        help="Make the first number or string of each input another in each request, so that no cache knows the "
        "answer. Default: where the inputs are made up.",
    ),
    "method": _option(str, "--method", panel=_SENT, metavar="NAME", help="Of requests with a body."),
    "header": _option(
        list[str] | None, "--header", "-H", panel=_SENT, metavar="HEADER", help="NAME: VALUE; may be repeated.",
    ),
    "expect": _option(
        list[str] | None, "--expect", panel=_SENT, metavar="TEXT",
        help="A right answer holds this (blanks between tokens of JSON do not count); repeated: one of these. Default: "
        "what has the right status is right.",
    ),
    "expect_status": _option(int, "--expect-status", panel=_SENT, metavar="CODE", help="Of a right answer."),
    "arrivals": _option(
        str, "--arrivals", panel=_LOAD, metavar="PROCESS",
        help="poisson, constant, gamma:cv=2, onoff:on_s=1,off_s=1, steps:0.5@10,1.5@5 or trace:FILE.",
    ),
    "keys": _option(
        str, "--keys", panel=_LOAD, metavar="KEYS",
        help="Which counters come: unique, repeated:times=4 or zipf:n=10000,s=1.1, as caches like it.",
    ),
    "duration": _option(str, "--duration", panel=_LOAD, metavar="DURATION", help="Of a run, after its warm-up."),
    "warmup": _option(
        str, "--warmup", panel=_LOAD, metavar="DURATION", help="Before each run, at its rate; not counted.",
    ),
    "connections": _option(int, "--connections", panel=_LOAD, metavar="N", help="Kept open, of all threads."),
    "threads": _option(int, "--threads", panel=_LOAD, metavar="N", help="Of the load generator."),
    "seed": _option(int, "--seed", panel=_LOAD, metavar="N", help="Of the arrivals; each run has one of its own."),
    "slo": _option(
        str | None, "--slo", metavar="DURATION",
        help="The latency objective, with its unit: 20ms. Default: that of the application.",
    ),
    "percentile": _option(float, "--percentile", metavar="P", help="Of the requests that must keep it."),
    "max_misses": _option(
        str, "--max-misses", metavar="RATIO",
        help="Of the requests that may fail: default outputs, refusals, errors, wrong answers.",
    ),
    "pid": _option(
        list[int] | None, "--pid", panel=_WATCHED, metavar="PID",
        help="A process of the server, with all that descend from it; may be repeated. Default: who listens on its "
        "port, if that is on this machine.",
    ),
    "watch": _option(
        bool, "--watch/--no-watch", panel=_WATCHED,
        help="Watch the server's processes: what they take, and that none stalls.",
    ),
    "metrics": _option(
        str | None, "--metrics", panel=_WATCHED, metavar="URL",
        help="The page of metrics of a Clipper, or none. Default: /metrics beside the target, if that is a Clipper.",
    ),
    "max_other_cores": _option(
        float, "--max-other-cores", panel=_WATCHED, metavar="CORES",
        help="A run that misses while other processes use more than this shows nothing.",
    ),
    "output": _option(
        Path | None, "--output", "-o", metavar="NAME", help="Write NAME.json, NAME.md and NAME.html (with plots).",
    ),
    "as_json": JsonOption,
}  # fmt: skip
_CONNECTION: Final = {
    "url": UrlOption,
    "run_dir": RunDirOption,
    "token_file": TokenFileOption,
    "ca_file": CaFileOption,
}
_REPEATED: Final = ("input", "header", "expect", "pid")


def with_load_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options above; it gets them as `LoadOptions`, its second argument after the target."""
    signature = inspect.signature(command, eval_str=True)
    target, _, *own = signature.parameters.values()
    defaults = LoadOptions()

    def parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
        shown = None if name in _REPEATED else default
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=shown, annotation=annotation)

    added = [parameter(name, annotation, getattr(defaults, name)) for name, annotation in _FIELDS.items()]
    added += [parameter(name, annotation, None) for name, annotation in _CONNECTION.items()]

    @functools.wraps(command)
    def called(**values: Any) -> None:
        connection = {name: values.pop(name) for name in _CONNECTION}
        given = {name: values.pop(name) for name in _FIELDS}
        for name in _REPEATED:
            given[name] = tuple(given[name] or ())
        command(values.pop("target"), LoadOptions(**given, connection=connection), **values)

    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (target, *own)] + added
    del called.__wrapped__  # typer would look at its signature
    called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    return called
