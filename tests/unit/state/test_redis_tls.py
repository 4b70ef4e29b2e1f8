"""``rediss://``: the server proves who it is, or there is no state."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from clipper.errors import StartError
from clipper.state.redis import RedisStore
from clipper.state.redis_url import parse_redis_url
from clipper.types import Revision
from tests.support.redis_server import NEEDS_REDIS, RedisServer

pytestmark = [NEEDS_REDIS, pytest.mark.optional("openssl", "apt-get install -y --no-install-recommends openssl")]
LIMIT_US = 1_000_000


def make_certificate(directory: Path, address: str) -> tuple[Path, Path]:
    certificate, key = directory / f"{address}.crt", directory / f"{address}.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", "/CN=test", "-addext", f"subjectAltName=IP:{address}", "-days", "2"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1"])
def test_state_over_tls_needs_a_server_with_a_certificate_of_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    certificate, key = make_certificate(tmp_path, address)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    options = ("--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key))
    url = parse_redis_url(f"rediss://127.0.0.1:{port}")
    with RedisServer(tmp_path, *options, "--tls-auth-clients", "no"):
        with pytest.raises(StartError, match="certificate verify failed"):
            RedisStore(url, LIMIT_US, LIMIT_US)  # nobody vouches for it
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        if address != "127.0.0.1":
            with pytest.raises(StartError, match=r"certificate verify failed.*127\.0\.0\.1"):
                RedisStore(url, LIMIT_US, LIMIT_US)
            return
        store = RedisStore(url, LIMIT_US, LIMIT_US)
        assert store.commit(Revision(0), {"a": {}}) == 1
        assert store.url == f"rediss://127.0.0.1:{port}/0?prefix=clipper"
        store.close()
