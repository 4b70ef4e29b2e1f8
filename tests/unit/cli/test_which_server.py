"""Which Clipper a command speaks to, and what it tells about itself there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clipper.cli.server import connect
from clipper.config import ClipperConfig, ListenConfig, SecurityConfig
from tests.support.canned_server import CannedServer, canned_server

TOKEN = "t" * 43


@pytest.fixture
def server() -> Iterator[CannedServer]:
    with canned_server({"/api/v1/models": (200, "application/json", b"[]")}) as listening:
        yield listening


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLIPPER_TOKEN", raising=False)


def make_run_dir(directory: Path, port: int) -> Path:
    """Return a run directory as a start leaves it: on this port, with a token."""
    directory.mkdir()
    token_file = directory / "token"
    token_file.write_text(TOKEN)
    listen = ListenConfig(query_port=1, management_port=port)
    ClipperConfig(directory, listen=listen, security=SecurityConfig(management_token_file=token_file)).write()
    return directory


def port_of(server: CannedServer) -> int:
    return int(server.url.rpartition(":")[2])


def test_instance_of_a_directory_is_found_with_its_port_and_token(tmp_path: Path, server: CannedServer) -> None:
    run_dir = make_run_dir(tmp_path / "run", port_of(server))
    with connect(None, run_dir, None, None) as found:
        assert found.get("/models") == []
        assert found.run_dir == run_dir
    assert server.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_token_of_a_directory_is_never_sent_to_another_address(tmp_path: Path, server: CannedServer) -> None:
    run_dir = make_run_dir(tmp_path / "run", 1)
    with connect(server.url, run_dir, None, None) as found:
        assert found.get("/models") == []
        assert found.run_dir is None
    assert "authorization" not in server.asked[0].headers


def test_token_that_is_given_is_stronger_than_that_of_the_directory(tmp_path: Path, server: CannedServer) -> None:
    run_dir = make_run_dir(tmp_path / "run", port_of(server))
    (tmp_path / "mine").write_text("m" * 43)
    with connect(None, run_dir, tmp_path / "mine", None) as found:
        found.get("/models")
    assert server.asked[0].headers["authorization"] == f"Bearer {'m' * 43}"


def test_token_of_another_user_is_left_to_the_server_to_miss(tmp_path: Path, server: CannedServer) -> None:
    run_dir = make_run_dir(tmp_path / "run", port_of(server))
    (run_dir / "token").unlink()
    with connect(None, run_dir, None, None) as found:
        found.get("/models")
    assert "authorization" not in server.asked[0].headers
