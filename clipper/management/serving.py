"""The HTTP server of the management API: uvicorn behind the configured token and certificate."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

import uvicorn

from clipper.config import SecurityConfig
from clipper.management.authentication import TokenAuthentication
from clipper.security.certificates import ServerCertificate, server_certificate
from clipper.security.secret_files import WatchedFile
from clipper.security.tokens import TokenSet, read_token_set

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_RENEWAL_LOOK_S: Final = 0.5  # as often as the workers do
_GRACEFUL_SHUTDOWN_S: Final = 3


@dataclass(frozen=True, slots=True)
class Guard:
    """What stands between the network and the management API; both may be missing on loopback."""

    tokens: WatchedFile[TokenSet] | None
    certificate: ServerCertificate | None

    @classmethod
    def read(cls, config: SecurityConfig) -> Guard:
        """Read the configured files.

        Raises
        ------
        InvalidArgumentError
            One is missing, may be read by others, or does not hold what it should.
        """
        path = config.management_token_file
        return cls(None if path is None else WatchedFile(path, read_token_set), server_certificate(config))

    async def follow_renewals(self) -> NoReturn:
        """Take a renewed certificate into use when its files change; tokens are looked at with each request."""
        while True:
            await asyncio.sleep(_RENEWAL_LOOK_S)
            if self.certificate is not None:
                self.certificate.refresh()


class _Server(uvicorn.Server):
    """Leaves signals to its owner: uvicorn would raise SIGTERM anew after its shutdown, and the exit code be -15."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def make_server(app: ASGIApp, guard: Guard) -> uvicorn.Server:
    """Return a server for ``app``, not yet started; set ``should_exit`` to end it."""
    if guard.tokens is not None:
        app = TokenAuthentication(app, guard.tokens.value)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=_GRACEFUL_SHUTDOWN_S, lifespan="off"
    )
    config.load()
    config.ssl = None if guard.certificate is None else guard.certificate.context
    return _Server(config)
