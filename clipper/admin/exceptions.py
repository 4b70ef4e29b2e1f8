"""The two exceptions of the original's Python API."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from clipper.errors import AlreadyExistsError, ClipperError, DeployError

_UNCONNECTED: Final = (
    "No connection to Clipper cluster. Call ClipperConnection.connect to connect to an existing cluster or "
    "ClipperConnnection.start_clipper to create a new one"
)


class ClipperException(Exception):  # noqa: N818 - the original's name
    """Clipper could not do what it was asked to do; ``msg`` says why."""

    def __init__(self, msg: str, *args: object) -> None:
        super().__init__(msg, *args)
        self.msg = msg


class UnconnectedException(ClipperException):
    """`connect` or `start_clipper` must be called first."""

    def __init__(self, *args: object) -> None:
        super().__init__(_UNCONNECTED, *args)


def status_error(status: int, message: str) -> ClipperException:
    """Return what the original raises when a call is answered with anything but 200."""
    return ClipperException(f"Received error status code: {status} and message: {message}")


@contextlib.contextmanager
def told_as_original() -> Iterator[None]:
    """Raise the errors of `clipper.errors` as `ClipperException`; the cause keeps the type."""
    try:
        yield
    except AlreadyExistsError as error:
        raise status_error(400, error.message) from error
    except DeployError as error:
        raise ClipperException(str(error)) from error
    except ClipperError as error:
        raise status_error(error.http_status, str(error)) from error
