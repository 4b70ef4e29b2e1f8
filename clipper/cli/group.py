"""The root of the command tree: where an expected error becomes a message and an exit code."""

from __future__ import annotations

import os
import sys
from typing import Any, Final

from typer.core import TyperGroup

from clipper.cli.exit_codes import exit_code_of
from clipper.cli.output import report
from clipper.errors import ClipperError

DEBUG_VARIABLE: Final = "CLIPPER_DEBUG"


class ClipperGroup(TyperGroup):
    """Runs a command; what `clipper.errors` foresees is told without a traceback, unless ``CLIPPER_DEBUG`` is set."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Parse, run and exit."""
        try:
            return super().main(*args, **kwargs)
        except ClipperError as error:
            if os.environ.get(DEBUG_VARIABLE, "") not in ("", "0"):
                raise
            report(error)
            sys.exit(exit_code_of(error))


class ListGroup(TyperGroup):
    """A group of commands about one kind of thing; without a command it lists them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``list`` in front of what begins with an option, or is empty."""
        if not ctx.resilient_parsing and (not args or (args[0].startswith("-") and args[0] not in ("--help", "-h"))):
            args = ["list", *args]
        return super().parse_args(ctx, args)
