"""The ports of an instance that runs on this machine with a known configuration: its secrets are files at hand."""

from __future__ import annotations

from clipper.client.http_client import HttpClient
from clipper.client.urls import local_url
from clipper.config import ClipperConfig
from clipper.security.tokens import read_tokens


def own_clients(config: ClipperConfig) -> tuple[HttpClient, HttpClient]:
    """Return clients of management and of the query port of the instance that runs with ``config``.

    They use the first token of its file and trust the very certificate that it serves with, so neither is given twice.

    Raises
    ------
    InvalidArgumentError
        The token or the certificate cannot be read any more.
    """
    security = config.security
    token = "" if security.management_token_file is None else read_tokens(security.management_token_file)[0]
    certificate = security.tls_certificate_file
    management = HttpClient(local_url(config.management_url), token=token, own_certificate=certificate)
    return management, HttpClient(local_url(config.query_url), own_certificate=certificate)
