"""Where the token of a management API comes from. It is never part of a message."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from clipper.errors import InvalidArgumentError

TOKEN_VARIABLE: Final = "CLIPPER_TOKEN"
TOKEN_FILE_VARIABLE: Final = "CLIPPER_TOKEN_FILE"
_MAX_TOKEN_BYTES: Final = 4096
# RFC 6750 2.1 (b64token), and a little more: what a header can carry without being cut.
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")


def find_token(token: str | None, token_file: str | Path | None, environment: Mapping[str, str] = os.environ) -> str:
    """Return the token that was given, or the one of the file, or of the environment; empty if there is none.

    Raises
    ------
    InvalidArgumentError
        Both were given, the file cannot be read, or what it holds is no token.
    """
    if token is not None and token_file is not None:
        raise InvalidArgumentError("token and token_file were both given; expected one of them")
    if token is not None:
        return _check("token", token)
    if token_file is not None:
        return _read("token_file", token_file)
    if environment.get(TOKEN_VARIABLE):
        return _check(TOKEN_VARIABLE, environment[TOKEN_VARIABLE])
    if environment.get(TOKEN_FILE_VARIABLE):
        return _read(TOKEN_FILE_VARIABLE, environment[TOKEN_FILE_VARIABLE])
    return ""


def _read(source: str, path: str | Path) -> str:
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MAX_TOKEN_BYTES + 1)
    except OSError as error:
        raise InvalidArgumentError(f"{source}={str(path)!r} cannot be read: {error.strerror}") from None
    # A file in which tokens are rotated has several: the first one is the one to use.
    lines = (line.strip() for line in data.decode("ascii", errors="replace").splitlines())
    token = next((line for line in lines if line and not line.startswith("#")), "")
    return _check(f"{source}={str(path)!r}", token)


def _check(source: str, token: object) -> str:
    """Return the token; the message of the error must not repeat it."""
    if not isinstance(token, str):
        raise InvalidArgumentError(f"{source} is a {type(token).__name__}, expected a string")
    if len(token) > _MAX_TOKEN_BYTES or not _TOKEN.fullmatch(token):
        raise InvalidArgumentError(
            f"{source} holds no token: expected 1 to {_MAX_TOKEN_BYTES} characters of ASCII without blanks"
        )
    return token
