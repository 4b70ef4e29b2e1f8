"""One question to management while the user types.

A shell waits for the answer, so this speaks HTTP through the standard library, which loads faster than a client
library, with a short limit; any trouble means that there is no answer.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from clipper.cli.instance import management_url_of, resolve_run_dir, running_config
from clipper.cli.server import DEFAULT_URL
from clipper.client.api_paths import API
from clipper.client.tokens import find_token
from clipper.errors import ClipperError
from clipper.security.certificates import trusting_own

_LIMIT_S: Final = 0.5


def quick_get(url: str | None, run_dir: str | None, path: str) -> Any:
    """Return management's answer to ``GET path``; None if there is none within half a second."""
    try:
        return _get(url, run_dir, path)
    except (OSError, ValueError, http.client.HTTPException, ClipperError):
        return None


def _get(url: str | None, run_dir: str | None, path: str) -> Any:
    token = find_token(None, None)
    ca_file = os.environ.get("CLIPPER_CA_FILE") or None
    own_certificate = None
    if url is None:
        config = running_config(resolve_run_dir(Path(run_dir) if run_dir else None))
        url = DEFAULT_URL if config is None else management_url_of(config)
        if config is not None and not token and config.security.management_token_file is not None:
            token = find_token(None, config.security.management_token_file)
        own_certificate = None if config is None else config.security.tls_certificate_file
    parts = urlsplit(url)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        if ca_file is None and own_certificate is not None:
            context = trusting_own(own_certificate)
        else:
            context = ssl.create_default_context(cafile=ca_file)
        connection = http.client.HTTPSConnection(parts.netloc, timeout=_LIMIT_S, context=context)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=_LIMIT_S)
    try:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connection.request("GET", API + quote(path), headers=headers)
        response = connection.getresponse()
        return json.loads(response.read()) if response.status == 200 else None
    finally:
        connection.close()
