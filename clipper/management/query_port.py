"""Management as a client of the query port: feedback that operators give here is a worker's to join."""

from __future__ import annotations

import logging
from typing import Final
from urllib.parse import urlsplit

import httpx

from clipper.config import ClipperConfig
from clipper.errors import UnavailableError
from clipper.security.certificates import trusting_own

# Longer than feedback by input may take to be evaluated, within the largest objective that people set.
_ANSWER_LIMIT_S: Final = 30.0
_CONNECT_LIMIT_S: Final = 2.0
_UNSPECIFIED: Final = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}


class QueryPort:
    """One client, made when it is needed first."""

    def __init__(self, config: ClipperConfig) -> None:
        self._config = config
        self._client: httpx.AsyncClient | None = None

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Send a JSON body; return status and body of the answer.

        Raises
        ------
        UnavailableError
            No worker answers.
        """
        try:
            answer = await self._open().post(path, content=body, headers={"Content-Type": "application/json"})
        except httpx.HTTPError as error:
            raise UnavailableError(
                f"no frontend worker answers on {self._config.query_url}: {error or type(error).__name__}",
                hint="whether the feedback was taken is not known; the same feedback given again counts once",
            ) from error
        return answer.status_code, answer.content

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            logging.getLogger("httpx").setLevel(
                logging.WARNING
            )  # it tells every request; the worker's log has what failed
            certificate = self._config.security.tls_certificate_file
            self._client = httpx.AsyncClient(
                base_url=_reachable(self._config.query_url),
                verify=True if certificate is None else trusting_own(certificate),
                timeout=httpx.Timeout(_ANSWER_LIMIT_S, connect=_CONNECT_LIMIT_S),
                trust_env=False,  # no proxy stands between two processes of one instance
            )
        return self._client


def _reachable(url: str) -> str:
    """Return the URL that a port bound to every address is reached by from here."""
    pieces = urlsplit(url)
    host = _UNSPECIFIED.get(pieces.hostname or "")
    return url if host is None else pieces._replace(netloc=f"{host}:{pieces.port}").geturl()
