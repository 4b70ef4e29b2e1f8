"""What stands between the network and the management API: the configured tokens and certificate."""

from __future__ import annotations

import asyncio
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


@dataclass(frozen=True, slots=True)
class Guard:
    """Both may be missing on loopback."""

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

    def before(self, app: ASGIApp) -> ASGIApp:
        """Return ``app`` behind the tokens, if there are any."""
        return app if self.tokens is None else TokenAuthentication(app, self.tokens.value)

    def secure(self, server: uvicorn.Server) -> None:
        """Let ``server``, which has not started yet, speak TLS if there is a certificate."""
        if self.certificate is not None:
            server.config.load()
            server.config.ssl = self.certificate.context

    async def follow_renewals(self) -> NoReturn:
        """Take a renewed certificate into use when its files change; tokens are looked at with each request."""
        while True:
            await asyncio.sleep(_RENEWAL_LOOK_S)
            if self.certificate is not None:
                self.certificate.refresh()
