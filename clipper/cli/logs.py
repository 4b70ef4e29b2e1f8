"""``clipper logs``: what replicas, frontend, management and supervisor have written."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from clipper.cli.completion import LOG_SOURCES, complete_log_sources
from clipper.cli.log_follower import LogFollower
from clipper.cli.options import with_server
from clipper.cli.server import Server, nearest
from clipper.client.api_paths import segment
from clipper.errors import ClipperError, NotFoundError
from clipper.log_file import read_tail

_POLL_INTERVAL_S: Final = 0.2
_SUFFIX: Final = ".log"


@with_server
def logs(
    server: Server,
    source: Annotated[
        str | None,
        typer.Argument(
            help="A replica (svm:1:0), a model or version (svm, svm:1), frontend, management or supervisor. "
            "Default: everything that runs.",
            metavar="SOURCE",
            autocompletion=complete_log_sources,
            show_default=False,
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is written, until Ctrl-C.", show_default=False)
    ] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", help="How many of the last lines.", metavar="N", min=0, max=10_000)
    ] = 50,
) -> None:
    """Print what replicas and other processes have logged.

       With several sources each line begins with its source.
    Clipper need not run for this, where its directory is on this machine.
    """
    directory = None if server.run_dir is None else server.run_dir / "logs"
    if directory is not None and directory.is_dir():
        _print_files(directory, source, follow, lines, _gone(server, directory) if source is None else frozenset())
    else:
        _print_remote(server, source, follow, lines)


def _gone(server: Server, directory: Path) -> frozenset[str]:
    """Return the replicas that have a log and live no more; none, if Clipper does not answer."""
    replicas = {name for name, _ in _sources(directory, None) if ":" in name}
    try:
        return frozenset(replicas - {item["replica_id"] for item in server.get("/replicas")})
    except ClipperError:
        return frozenset()


def _print_files(directory: Path, source: str | None, follow: bool, line_count: int, gone: frozenset[str]) -> None:
    with contextlib.ExitStack() as opened:
        followers: dict[str, LogFollower] = {}

        def open_follower(name: str, path: Path) -> None:
            followers[name] = opened.enter_context(contextlib.closing(LogFollower(path)))

        for name, path in _sources(directory, source, gone):
            open_follower(name, path)
            lines = followers[name].skip_to_end(line_count) if follow else _tail(path, line_count)
            _print_lines(name, lines, is_one=_names_one(source, name))
        if not followers:
            raise _no_source(source, directory)
        while follow:
            sys.stdout.flush()
            time.sleep(_POLL_INTERVAL_S)
            for name, path in _sources(directory, source, gone):
                if name not in followers:  # a replica that was started meanwhile: all of it is new
                    open_follower(name, path)
                _print_lines(name, followers[name].read_lines(), is_one=_names_one(source, name))


def _tail(path: Path, line_count: int) -> list[str]:
    return read_tail(path, line_count).splitlines() if line_count else []


def _sources(directory: Path, source: str | None, without: frozenset[str] = frozenset()) -> list[tuple[str, Path]]:
    """Return name and file of each log that ``source`` means."""
    found = [(source_name(path), path) for path in sorted(directory.glob(f"*{_SUFFIX}"))]
    return [(name, path) for name, path in found if name not in without and (source is None or _means(source, name))]


def source_name(path: Path) -> str:
    """Return what a log file is called here: a replica by its id; names hold no ``_`` of their own."""
    return path.name.removesuffix(_SUFFIX).replace("_", ":")


def _means(source: str, name: str) -> bool:
    return name == source or name.startswith(f"{source}:") or (source == "frontend" and name.startswith("frontend-"))


def _names_one(source: str | None, name: str) -> bool:
    return source == name or (source == "frontend" and name == "frontend-0")


def _no_source(source: str | None, directory: Path) -> NotFoundError:
    known = [name for name, _ in _sources(directory, None)]
    if source is None:
        return NotFoundError(f"there are no logs in {str(directory)!r}", hint="Clipper has not been started there")
    near = nearest(source, [*known, *LOG_SOURCES])
    hint = f"there are: {', '.join(known) or 'none'}"
    return NotFoundError(
        f"there is no log of {source!r} in {str(directory)!r}", hint=f"did you mean {near!r}? {hint}" if near else hint
    )


def _print_remote(server: Server, source: str | None, follow: bool, line_count: int) -> None:
    """Print what management has: the logs of living replicas, or of one that has ended."""
    living = [item["replica_id"] for item in server.get("/replicas")]
    chosen = [name for name in living if source is None or _means(source, name)]
    if not chosen:
        if source is None or source in LOG_SOURCES:
            what = "any replica" if source is None else source
            raise NotFoundError(
                f"the log of {what} is not to be had over the network" if source else "there are no replicas",
                hint="run this on the machine where Clipper runs, with its --run-dir" if source else "",
            )
        chosen = [source]
    asked = max(1, line_count)
    if not follow:
        for name in chosen:
            answer = server.get(f"/replicas/{segment(name)}/log?lines={asked}")
            _print_lines(name, answer["log"].splitlines() if line_count else [], is_one=name == source)
        return
    if len(chosen) > 1:
        raise NotFoundError(
            f"{source or 'this Clipper'} has {len(chosen)} replicas, and one can be followed over the network",
            hint=f"choose one: {', '.join(chosen)}",
        )
    for line in _remote_lines(server, chosen[0], asked):
        print(line, flush=True)


def _remote_lines(server: Server, replica_id: str, line_count: int) -> Iterator[str]:
    yield from server.stream_lines(f"/replicas/{segment(replica_id)}/log?lines={line_count}&follow=true")


def _print_lines(name: str, lines: Sequence[str], *, is_one: bool) -> None:
    for line in lines:
        print(line if is_one else f"{name} | {line}")
