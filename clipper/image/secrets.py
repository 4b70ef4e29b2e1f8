"""Secrets as Docker, Compose and Kubernetes mount them, handed to Clipper as it wants them.

A mounted secret belongs to whoever wrote it on the host, and everybody in the container may read it. Clipper takes only
files that belong to its own user, so it gets copies, in its run directory.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from clipper.errors import InvalidArgumentError
from clipper.security.private_directory import make_private
from clipper.security.secret_files import MAX_SECRET_FILE_BYTES, write_secret_file
from clipper.security.tokens import make_token_file

SECRETS_DIR: Final = Path("/run/secrets")
COPIES: Final = "secrets"  # in the run directory
TOKEN_SECRET: Final = "management_token"
PASSWORD_SECRET: Final = "state_password"
# A secret's name, and the option that names its copy.
FILE_SECRETS: Final = {
    TOKEN_SECRET: "CLIPPER_SECURITY__MANAGEMENT_TOKEN_FILE",
    "tls_certificate": "CLIPPER_SECURITY__TLS_CERTIFICATE_FILE",
    "tls_key": "CLIPPER_SECURITY__TLS_KEY_FILE",
}
_STATE_URL: Final = "CLIPPER_STATE__URL"


def take_secrets(environment: Mapping[str, str], run_dir: Path, secrets_dir: Path = SECRETS_DIR) -> dict[str, str]:
    """Copy the secrets that are there into the run directory, and return the environment that names the copies.

    Without a management token, in the secrets or in the environment, one is made at the first start and kept.

    Raises
    ------
    InvalidArgumentError
        A secret is empty, is no text, or says what the environment says, too.
    StartError
        The run directory cannot be used.
    """
    made = dict(environment)
    make_private(run_dir)
    copies = run_dir / COPIES
    copies.mkdir(mode=0o700, exist_ok=True)
    for name, variable in FILE_SECRETS.items():
        text = _read(secrets_dir / name)
        if text is None:
            continue
        if made.get(variable):
            raise InvalidArgumentError(
                f"the secret {name!r} and the variable {variable} are both given", hint="expected one of them"
            )
        copy = copies / name
        copy.unlink(missing_ok=True)
        write_secret_file(copy, text)
        made[variable] = str(copy)
    token_variable = FILE_SECRETS[TOKEN_SECRET]
    if not made.get(token_variable):
        own = run_dir / COPIES / "own_token"
        if not own.exists():
            make_token_file(own)
        made[token_variable] = str(own)
    password = _read(secrets_dir / PASSWORD_SECRET)
    if password is not None:
        made[_STATE_URL] = _with_password(made.get(_STATE_URL, ""), password.strip())
    return made


def _read(path: Path) -> str | None:
    """Return the text of a secret; None if there is none."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SECRET_FILE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InvalidArgumentError(
            f"the secret {str(path)!r} cannot be read by the user {os.geteuid()}: {error.strerror}",
            hint="a file that is mounted as a secret keeps its mode: chmod 644, in a directory that only you can enter",
        ) from None
    if not data.strip() or len(data) > MAX_SECRET_FILE_BYTES or not data.isascii():
        raise InvalidArgumentError(
            f"the secret {str(path)!r} is not valid: expected 1 to {MAX_SECRET_FILE_BYTES} bytes of ASCII"
        )
    return data.decode("ascii")


def _with_password(url: str, password: str) -> str:
    """Return the URL of a Redis with the password in it; no part of either is quoted in an error."""
    try:
        pieces = urlsplit(url)
        has_password = pieces.password is not None
    except ValueError:
        pieces, has_password = urlsplit(""), False
    if has_password:
        raise InvalidArgumentError(
            f"the secret {PASSWORD_SECRET!r} is given, and {_STATE_URL} has a password, too",
            hint="expected one of them",
        )
    if pieces.scheme not in ("redis", "rediss") or not pieces.netloc:
        raise InvalidArgumentError(
            f"the secret {PASSWORD_SECRET!r} is given, but {_STATE_URL} names no Redis server",
            hint=f"for example {_STATE_URL}=redis://redis:6379/0",
        )
    user, is_named, host = pieces.netloc.rpartition("@")
    named = user if is_named else ""
    return pieces._replace(netloc=f"{named}:{quote(password, safe='')}@{host}").geturl()
