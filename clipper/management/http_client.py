"""HTTP calls to both ports, with the errors of `clipper.errors`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx

from clipper import errors
from clipper.errors import (
    CallerError,
    ClipperError,
    DeployError,
    InvalidArgumentError,
    ModelError,
    NotFoundError,
    ServerError,
    UnavailableError,
)

_BY_CODE: dict[str, type[ClipperError]] = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, ClipperError) and kind is not ClipperError
}


class HttpClient:
    """One pool of connections to one port; used by any number of threads."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        # Neither proxies nor netrc of the environment: both ports are on this machine.
        self._client = httpx.Client(base_url=base_url, trust_env=False)

    def call(self, method: str, path: str, body: Any = None, *, limit_us: int) -> Any:
        """Return the decoded answer, or None if it has no content.

        Raises
        ------
        ClipperError
            What the server answered, or `UnavailableError` if it did not within ``limit_us``.
        """
        if self._client.is_closed:
            raise UnavailableError(
                "this Clipper has been stopped", hint="start another one, or connect to one that runs"
            )
        try:
            content = None if body is None else json.dumps(body, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InvalidArgumentError(f"the request is no JSON: {error}") from error
        headers = {} if content is None else {"Content-Type": "application/json"}
        try:
            response = self._client.request(
                method, path, content=content, headers=headers, timeout=httpx.Timeout(limit_us / 1e6, connect=5)
            )
        except httpx.TimeoutException as error:
            raise UnavailableError(f"{self.base_url} did not answer within {limit_us / 1e6:g} s") from error
        except httpx.HTTPError as error:
            raise UnavailableError(f"{self.base_url} cannot be reached: {error}", hint="is Clipper running?") from error
        return _decode(response)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


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
    kind = _BY_CODE.get(code)
    if kind is DeployError:
        return DeployError(cause, hint=hint, log_tail=str(answer.get("log_tail", "")))
    if kind is not None:
        return kind(cause, hint=hint)
    # The query port has finer codes (json_error, wrong_length) than there are classes.
    by_status = {404: NotFoundError, 502: ModelError, 503: UnavailableError, 504: UnavailableError}
    fallback = by_status.get(status, CallerError if 400 <= status < 500 else ServerError)
    return fallback(f"{code or status}: {cause}", hint=hint)
