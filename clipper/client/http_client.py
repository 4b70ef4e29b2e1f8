"""HTTP calls to both ports, with the errors of `clipper.errors`."""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final

import httpx

from clipper.client.prediction import to_plain
from clipper.errors import (
    CallerError,
    ClipperError,
    DeployError,
    InvalidArgumentError,
    ModelError,
    NotFoundError,
    ServerError,
    UnavailableError,
    kind_of,
)
from clipper.security.certificates import trusting, trusting_own

EVENTS: Final = "application/x-ndjson"
_CONNECT_LIMIT_S: Final = 5
# A stream says nothing for as long as a container loads; the caller only guards against a dead server.
_SILENCE_LIMIT_S: Final = 900
_TOKEN_HINT: Final = "give the token of its management: Clipper.connect(url, token=...), or the variable CLIPPER_TOKEN"


class HttpClient:
    """One pool of connections to one port; used by any number of threads.

    Parameters
    ----------
    token : str
        Sent as a bearer token with every request, and shown nowhere; empty = none.
    ca_file : path, optional
        Certificates of the authorities that are trusted with https; default: those of the system. A self-signed
        certificate is its own authority.
    own_certificate : path, optional
        Instead of ``ca_file``, for a server on this machine: the very certificate that it serves with, which is trusted
        whatever name or address the server is reached by.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str = "",
        ca_file: str | Path | None = None,
        own_certificate: Path | None = None,
    ) -> None:
        self.base_url = base_url
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # Neither proxies nor netrc of the environment: what is meant is what the URL says.
        try:
            self._client = httpx.Client(
                base_url=base_url, headers=headers, trust_env=False, verify=_trust(base_url, ca_file, own_certificate)
            )
        except httpx.InvalidURL as error:
            raise InvalidArgumentError(f"{base_url!r} is no URL: {error}") from None

    def call(self, method: str, path: str, body: Any = None, *, limit_us: int) -> Any:
        """Return the decoded answer, or None if it has no content.

        Raises
        ------
        ClipperError
            What the server answered, or `UnavailableError` if it did not within ``limit_us``.
        """
        with self._told_as_ours(limit_us):
            response = self._client.request(method, path, **_json(body), timeout=_limits(limit_us))
        return _decode(response)

    def exchange(self, method: str, path: str, body: Any = None, *, limit_us: int) -> tuple[int, str]:
        """Return status and text of an answer, whatever they are; for calls with a form of their own."""
        with self._told_as_ours(limit_us):
            response = self._client.request(method, path, **_json(body), timeout=_limits(limit_us))
        return response.status_code, response.text

    def call_with_events(self, method: str, path: str, body: Any = None, *, limit_us: int) -> Iterator[dict[str, Any]]:
        """Yield the events of a long call as they come; the last one is ``done`` with its result.

        A server that sends no events is taken to have sent this last one.

        Raises
        ------
        ClipperError
            What the server answered, at once or in an event ``error``; or `UnavailableError`.
        """
        request = _json(body)
        request["headers"]["Accept"] = f"{EVENTS}, application/json"
        with (
            self._told_as_ours(limit_us),
            self._client.stream(method, path, **request, timeout=_limits(limit_us)) as response,
        ):
            if not response.headers.get("Content-Type", "").startswith(EVENTS):
                response.read()
                yield {"event": "done", "result": _decode(response)}
                return
            for line in filter(None, response.iter_lines()):
                event = _event(line)
                if event["event"] == "error":
                    raise _to_error(int(event.get("status", 500)), event)
                yield event
                if event["event"] == "done":
                    return
        raise UnavailableError(f"{self.base_url} broke off before the call was done", hint="ask for its status")

    def send_file(self, path: str, file: IO[bytes], content_type: str, *, limit_us: int) -> Any:
        """Send a file from its present position as the body of a POST, and return the decoded answer."""
        with self._told_as_ours(limit_us):
            headers = {"Content-Type": content_type}
            response = self._client.post(path, content=file, headers=headers, timeout=_limits(limit_us))
        return _decode(response)

    def stream_lines(self, path: str) -> Iterator[str]:
        """Yield the lines of a text as they come, until the server ends it or the caller stops asking."""
        limits = httpx.Timeout(_SILENCE_LIMIT_S, connect=_CONNECT_LIMIT_S, read=None)
        connect_us = _CONNECT_LIMIT_S * 1_000_000
        with self._told_as_ours(connect_us), self._client.stream("GET", path, timeout=limits) as response:
            if not response.is_success:
                response.read()
                _decode(response)
            yield from response.iter_lines()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @contextlib.contextmanager
    def _told_as_ours(self, limit_us: int) -> Iterator[None]:
        if self._client.is_closed:
            raise UnavailableError(
                "this Clipper has been stopped", hint="start another one, or connect to one that runs"
            )
        try:
            yield
        except httpx.TimeoutException as error:
            raise UnavailableError(f"{self.base_url} did not answer within {limit_us / 1e6:g} s") from error
        except httpx.UnsupportedProtocol:
            raise InvalidArgumentError(
                f"{self.base_url!r} is no URL of Clipper", hint="for example http://127.0.0.1:1338"
            ) from None
        except httpx.HTTPError as error:
            raise UnavailableError(f"{self.base_url} cannot be reached: {error}", hint=_reach_hint(error)) from error


def _trust(base_url: str, ca_file: str | Path | None, own_certificate: Path | None) -> ssl.SSLContext | bool:
    """Return how certificates are checked; loading the system's authorities costs 20 ms, and http needs none."""
    if ca_file is None and own_certificate is not None:
        return trusting_own(own_certificate)
    if ca_file is None:
        return base_url.startswith("https:")
    return trusting(ca_file)


def _reach_hint(error: httpx.HTTPError) -> str:
    text = str(error)
    if "mismatch" in text:
        return "its certificate is for other names: use one of those in the URL"
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "name the authority of its certificate: Clipper.connect(url, ca_file=...)"
    if "WRONG_VERSION_NUMBER" in text:
        return "it does not speak https: does the URL begin with http:?"
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
        return "does it speak https, or has it just ended?"
    return "is Clipper running?"


def _limits(limit_us: int) -> httpx.Timeout:
    return httpx.Timeout(limit_us / 1e6, connect=_CONNECT_LIMIT_S)


def _json(body: Any) -> dict[str, Any]:
    if body is None:
        return {"headers": {}}
    try:
        content = json.dumps(body, allow_nan=False, default=to_plain)
        return {"content": content, "headers": {"Content-Type": "application/json"}}
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"the request is no JSON: {error}") from error


def _event(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if not isinstance(event, dict) or "event" not in event:
        raise ServerError(f"management sent an event that is none: {line[:200]!r}")
    return event


def _decode(response: httpx.Response) -> Any:
    if response.status_code == 204:
        return None
    try:
        document = response.json()
    except ValueError:
        document = None
    if response.is_success and document is not None:
        return document
    raise _to_error(response.status_code, document if isinstance(document, Mapping) else {"cause": response.text[:500]})


def _to_error(status: int, answer: Mapping[str, Any]) -> ClipperError:
    code, cause, hint = (str(answer.get(key, "")) for key in ("error", "cause", "hint"))
    kind = kind_of(code)
    if kind is DeployError:
        log_tail = str(answer.get("log_tail", ""))
        return DeployError(cause, hint=hint, log_tail=log_tail)
    if status == 401 or code == "unauthorized":
        # The name of a header is a hint for those who send requests by hand.
        return (kind or CallerError)(cause, hint=hint if hint and "header" not in hint else _TOKEN_HINT)
    if kind is not None:
        return kind(cause, hint=hint)
    # The query port has finer codes (json_error, wrong_length) than there are classes.
    by_status = {404: NotFoundError, 502: ModelError, 503: UnavailableError, 504: UnavailableError}
    fallback = by_status.get(status, CallerError if 400 <= status < 500 else ServerError)
    return fallback(f"{code or status}: {cause}", hint=hint)
