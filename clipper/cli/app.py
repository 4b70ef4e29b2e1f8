"""The tree of commands."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from clipper.cli import apps, bench, decisions, models, monitor, policy
from clipper.cli.build_image import build_image
from clipper.cli.config import config
from clipper.cli.deploy import deploy
from clipper.cli.evaluate import evaluate
from clipper.cli.feedback import feedback
from clipper.cli.group import ClipperGroup
from clipper.cli.links import link, unlink
from clipper.cli.logs import logs
from clipper.cli.predict import predict
from clipper.cli.rollback import rollback
from clipper.cli.scale import scale
from clipper.cli.start import start
from clipper.cli.status import status
from clipper.cli.stop import stop
from clipper.cli.top import top

_INSTANCE: Final = "Run Clipper"
_SERVING: Final = "Serve models"
_LEARNING: Final = "Learn from feedback"
_WATCHING: Final = "Watch"
_MEASURING: Final = "Measure"

app = typer.Typer(
    name="clipper",
    cls=ClipperGroup,
    help="Clipper: low-latency prediction serving.",
    no_args_is_help=True,
    rich_markup_mode=None,
    # Expected errors are told in a line; what is left is a bug, and its plain traceback says most.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        from clipper import __version__

        print(f"clipper {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Clipper: low-latency prediction serving."""


for command, panel in (
    (start, _INSTANCE),
    (stop, _INSTANCE),
    (status, _INSTANCE),
    (config, _INSTANCE),
    (build_image, _SERVING),
    (deploy, _SERVING),
    (link, _SERVING),
    (unlink, _SERVING),
    (rollback, _SERVING),
    (scale, _SERVING),
    (predict, _SERVING),
    (feedback, _LEARNING),
    (evaluate, _LEARNING),
    (logs, _WATCHING),
    (top, _WATCHING),
):
    app.command(command.__name__.replace("_", "-"), rich_help_panel=panel)(command)
app.add_typer(apps.app, name="apps", rich_help_panel=_SERVING)
app.add_typer(models.app, name="models", rich_help_panel=_SERVING)
app.add_typer(policy.app, name="policy", rich_help_panel=_LEARNING)
app.add_typer(decisions.app, name="decisions", rich_help_panel=_LEARNING)
app.add_typer(monitor.app, name="monitor", rich_help_panel=_WATCHING)
app.add_typer(bench.app, name="bench", rich_help_panel=_MEASURING)
