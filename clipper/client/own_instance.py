"""The ports of an instance that runs on this machine with a known configuration: its token is a file at hand."""

from __future__ import annotations

from clipper.client.http_client import HttpClient
from clipper.client.tokens import find_token
from clipper.client.urls import local_url
from clipper.config import ClipperConfig


def own_clients(config: ClipperConfig) -> tuple[HttpClient, HttpClient]:
    """Return clients of management and of the query port of the instance that runs with ``config``.

    Raises
    ------
    InvalidArgumentError
        The token cannot be read any more.
    """
    token_file = config.security.management_token_file
    token = "" if token_file is None else find_token(None, token_file, {})
    management = HttpClient(local_url(config.listen.management_url), token=token)
    return management, HttpClient(local_url(config.listen.query_url))
