"""The exit codes of every command, in one table; docs/cli.md repeats it."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from clipper.errors import (
    AlreadyExistsError,
    CallerError,
    ClipperError,
    ConflictError,
    ModelError,
    NotFoundError,
    UnavailableError,
)


class ExitCode(IntEnum):
    """What a script can tell from a command's end."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_FOUND = 4
    CONFLICT = 5
    MODEL = 6
    UNAUTHORIZED = 7
    MISSED = 8
    VOID = 9
    INTERRUPTED = 130


MEANINGS: Final = {
    ExitCode.OK: "done; of `status`: healthy",
    ExitCode.FAILURE: "it failed on Clipper's side; of `status`: something needs attention",
    ExitCode.USAGE: "the command line, or a value in it, is not valid",
    ExitCode.UNREACHABLE: "Clipper is not running, cannot be reached, or cannot answer now",
    ExitCode.NOT_FOUND: "there is no such application, model, version or replica",
    ExitCode.CONFLICT: "the name or version exists, or the present state does not allow it",
    ExitCode.MODEL: "the model or its container failed",
    ExitCode.UNAUTHORIZED: "the token is missing or wrong",
    ExitCode.MISSED: "`bench` measured, and the objective was missed",
    ExitCode.VOID: "`bench` measured, and nothing can be concluded: the run is void",
    ExitCode.INTERRUPTED: "Ctrl-C",
}

_UNAUTHORIZED_STATUSES: Final = (401, 403)
# The first that fits: a class stands before those it derives from.
_BY_CLASS: Final[tuple[tuple[type[ClipperError], ExitCode], ...]] = (
    (NotFoundError, ExitCode.NOT_FOUND),
    (AlreadyExistsError, ExitCode.CONFLICT),
    (ConflictError, ExitCode.CONFLICT),
    (CallerError, ExitCode.USAGE),
    (UnavailableError, ExitCode.UNREACHABLE),
    (ModelError, ExitCode.MODEL),
)


def exit_code_of(error: ClipperError) -> ExitCode:
    """Return the exit code that tells of ``error``."""
    if error.http_status in _UNAUTHORIZED_STATUSES:
        return ExitCode.UNAUTHORIZED
    return next((code for kind, code in _BY_CLASS if isinstance(error, kind)), ExitCode.FAILURE)
