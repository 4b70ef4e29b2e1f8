"""Bearer tokens of the management API: one a line in a file, so that a new one can be in use before the old one goes.

A line is a token, empty, or a comment that begins with ``#``.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clipper.errors import InvalidArgumentError
from clipper.security.secret_files import read_secret_file, write_secret_file

MIN_TOKEN_CHARACTERS: Final = 32  # 128 bits, even if each character is a hexadecimal digit
MAX_TOKENS: Final = 16  # each is compared for each request
_TOKEN_BYTES: Final = 32
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # b64token, RFC 6750 section 2.1
_MAKE_ONE: Final = "python -m clipper.security token FILE makes a file with one"


@dataclass(frozen=True, slots=True)
class TokenSet:
    """The tokens that are accepted, as digests: of equal length, and useless to whoever reads this memory."""

    digests: tuple[bytes, ...]

    def accepts(self, token: bytes) -> bool:
        """Whether ``token`` is one of them, in a time that does not tell how much of it was right."""
        digest = hashlib.sha256(token).digest()
        # Every one is compared, whichever fits.
        return bool(sum([hmac.compare_digest(digest, known) for known in self.digests]))


def make_token_file(path: Path) -> None:
    """Create a file with one new token, readable by its owner alone.

    Raises
    ------
    InvalidArgumentError
        The file exists, or cannot be created.
    """
    write_secret_file(path, secrets.token_urlsafe(_TOKEN_BYTES) + "\n")


def read_tokens(path: Path) -> tuple[str, ...]:
    """Return the tokens in a file, the first one being the one to use.

    Raises
    ------
    InvalidArgumentError
        The file may be read by others, or holds no token, too many, or one that is too short; lines are named by
        their number, never quoted.
    """
    tokens: list[str] = []
    for number, line in enumerate(read_secret_file(path, "token file").splitlines(), 1):
        token = line.strip()
        if not token or token.startswith("#"):
            continue
        place = f"line {number} of the token file {str(path)!r}"
        if len(token) < MIN_TOKEN_CHARACTERS:
            raise InvalidArgumentError(
                f"{place} has {len(token)} characters, expected at least {MIN_TOKEN_CHARACTERS}", hint=_MAKE_ONE
            )
        if not is_token(token):
            raise InvalidArgumentError(
                f"{place} has characters that no bearer token may have: expected letters, digits and ._~+/-",
                hint=_MAKE_ONE,
            )
        tokens.append(token)
    if not 1 <= len(tokens) <= MAX_TOKENS:
        raise InvalidArgumentError(
            f"the token file {str(path)!r} holds {len(tokens)} tokens, expected 1 to {MAX_TOKENS}", hint=_MAKE_ONE
        )
    return tuple(tokens)


def read_token_set(path: Path) -> TokenSet:
    """Return the tokens in a file in the form that requests are checked against; raises as `read_tokens`."""
    return TokenSet(tuple(hashlib.sha256(token.encode("ascii")).digest() for token in read_tokens(path)))


def is_token(text: str) -> bool:
    """Whether ``text`` can stand behind ``Authorization: Bearer`` at all."""
    return _TOKEN.fullmatch(text) is not None
