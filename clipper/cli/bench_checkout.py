"""``clipper bench install | compare | paper``: what needs the repository's own programs, run there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from clipper.errors import NotFoundError

_PROGRAMS: Final = {"install": "bench.install_peers", "compare": "bench.compare", "paper": "bench.paper"}
_MARK: Final = Path("bench/install_peers.py")

PASS_ON: Final = {"allow_extra_args": True, "ignore_unknown_options": True}
CheckoutOption = Annotated[
    Path | None,
    typer.Option(
        "--checkout",
        metavar="DIR",
        help="The repository. Default: the working directory, or one above it.",
        show_default=False,
    ),
]


def install(context: typer.Context, checkout: CheckoutOption = None) -> None:
    """Install the servers that Clipper is compared with, each into an environment of its own; needs the repository.

    Other arguments go to the program: names of servers, for example.
    """
    _run("install", context.args, checkout)


def compare(context: typer.Context, checkout: CheckoutOption = None) -> None:
    """Measure Clipper beside what one would pick instead, in one run; needs the repository.

    Other arguments go to the program: --quick, --subjects, --rows; `clipper bench compare -- --help` lists them.
    """
    _run("compare", context.args, checkout)


def paper(context: typer.Context, checkout: CheckoutOption = None) -> None:
    """Measure the figures of the paper anew; needs the repository.

    Other arguments go to the program; `clipper bench paper -- --help` lists them.
    """
    _run("paper", context.args, checkout)


def _run(what: str, arguments: list[str], checkout: Path | None) -> None:
    command = [sys.executable, "-m", _PROGRAMS[what], *arguments]
    done = subprocess.run(command, cwd=find_checkout(checkout, what), check=False)
    raise typer.Exit(done.returncode if done.returncode >= 0 else 128 - done.returncode)


def find_checkout(given: Path | None, what: str) -> Path:
    """Return the repository's root.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    here = Path.cwd()
    places = [given] if given is not None else [here, *here.parents]
    for place in places:
        if (place / _MARK).is_file():
            return place.resolve()
    where = f"{str(given)!r} is" if given is not None else f"neither {str(here)!r} nor any directory above it is"
    raise NotFoundError(
        f"`clipper bench {what}` runs programs of the repository that no package holds, and {where} a checkout of it",
        hint="go to the checkout, or name it: --checkout DIR; `clipper bench search` measures any server without one",
    )
