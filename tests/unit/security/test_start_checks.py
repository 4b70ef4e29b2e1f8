"""What the operator is told at a start that is not refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clipper.config import ClipperConfig, ListenConfig, RpcConfig, SecurityConfig
from clipper.security.rpc_keys import AUTHORIZED_NAME, make_rpc_keys
from clipper.security.start_checks import check_security
from clipper.security.tokens import make_token_file
from tests.support.certificates import write_certificate


@pytest.fixture
def config(tmp_path: Path) -> ClipperConfig:
    make_token_file(tmp_path / "token")
    make_rpc_keys(tmp_path / "keys")
    security = SecurityConfig(management_token_file=tmp_path / "token", rpc_keys_dir=tmp_path / "keys")
    return ClipperConfig(tmp_path / "run", security=security)


def test_default_has_nothing_to_tell(tmp_path: Path) -> None:
    assert check_security(ClipperConfig(tmp_path)) == []


def test_token_that_goes_in_the_clear_is_told(config: ClipperConfig, tmp_path: Path) -> None:
    assert check_security(config) == []
    exposed = replace(config, listen=ListenConfig(management_host="0.0.0.0"))
    (warning,) = check_security(exposed)
    assert "0.0.0.0 without TLS" in warning
    files = write_certificate(tmp_path)
    tls = replace(config.security, tls_certificate_file=files.certificate, tls_key_file=files.key)
    assert check_security(replace(exposed, security=tls)) == []


def test_port_that_no_container_can_join_by_is_told(config: ClipperConfig, tmp_path: Path) -> None:
    open_to_containers = replace(config, rpc=RpcConfig(tcp_host="127.0.0.1"))
    assert check_security(open_to_containers) == []
    (tmp_path / "keys" / AUTHORIZED_NAME).write_text("# nobody\n")
    (warning,) = check_security(open_to_containers)
    assert "no container may join over TCP yet" in warning
