"""``python -m clipper.image.health``: ends with 0 if both ports answer ``GET /healthz``, for the image's health check.

That they answer, not that models are ready: a container that is restarted because a model fails helps nobody.
"""

from __future__ import annotations

import http.client
import os
import ssl
import sys
from pathlib import Path
from typing import Final

from clipper.config import ClipperConfig, read_config
from clipper.errors import ClipperError

_LIMIT_S: Final = 3


def trouble(run_dir: Path) -> str:
    """Return what is wrong with the Clipper of a run directory; empty if it is well."""
    try:
        config = read_config(run_dir)
    except (ClipperError, OSError) as error:
        return f"its configuration cannot be read: {error}"
    for part, port in (("queries", config.listen.query_port), ("management", config.listen.management_port)):
        if wrong := _ask(config, port):
            return f"{part}: {wrong}"
    return ""


def _ask(config: ClipperConfig, port: int) -> str:
    connection: http.client.HTTPConnection
    if config.security.tls_certificate_file is not None:
        # It asks itself, and hands nothing over: whom the certificate names is its clients' to check.
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=_LIMIT_S, context=trust)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_LIMIT_S)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"no answer on port {port}: {error}"
    finally:
        connection.close()
    return "" if status == 200 else f"status {status} on port {port}"


if __name__ == "__main__":
    wrong = trouble(Path(os.environ.get("CLIPPER_RUN_DIR", "")))
    sys.stdout.write(f"{wrong or 'ok'}\n")
    sys.exit(1 if wrong else 0)
