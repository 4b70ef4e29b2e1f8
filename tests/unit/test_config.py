"""Configuration: validated where it is made, the same after a trip through its file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clipper.config import (
    MAX_SOCKET_PATH_BYTES,
    ClipperConfig,
    FrontendConfig,
    ListenConfig,
    LogConfig,
    ManagementConfig,
    read_config,
)
from clipper.errors import InvalidArgumentError


def test_config_written_to_run_dir_is_read_back_equal(tmp_path: Path) -> None:
    config = ClipperConfig(
        tmp_path,
        remove_run_dir=True,
        listen=ListenConfig(query_port=0, management_port=4711),
        logs=LogConfig(max_bytes=2048, keep_count=1),
        management=ManagementConfig(containers={"mine": ("/bin/mine", "--fast")}),
    )
    config.write()
    assert read_config(tmp_path) == config
    assert (tmp_path / "config.json").stat().st_mode & 0o077 == 0


def test_config_without_file_is_the_default(tmp_path: Path) -> None:
    assert read_config(tmp_path) == ClipperConfig(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"remove_run_dir": 1}', "not json"])
def test_config_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InvalidArgumentError, match=r"config\.json"):
        read_config(tmp_path)


def test_run_dir_is_refused_one_byte_past_the_longest_socket_path() -> None:
    longest = Path("/" + "d" * (MAX_SOCKET_PATH_BYTES - len("/" + "/control.sock")))
    assert len(str(ClipperConfig(longest).control_socket_path)) == MAX_SOCKET_PATH_BYTES
    with pytest.raises(InvalidArgumentError, match="too long"):
        ClipperConfig(Path(f"{longest}d"))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org"])
def test_address_off_loopback_is_refused(host: str) -> None:
    with pytest.raises(InvalidArgumentError, match="loopback"):
        ClipperConfig(Path("/x"), listen=ListenConfig(query_host=host))
    with pytest.raises(InvalidArgumentError, match="loopback"):
        ClipperConfig(Path("/x"), listen=ListenConfig(management_host=host))


@pytest.mark.parametrize("port", [-1, 65536, True, "80"])
def test_port_out_of_range_is_refused(port: int) -> None:
    with pytest.raises(InvalidArgumentError, match="query_port"):
        ListenConfig(query_port=port)


def test_ipv6_loopback_url_has_brackets() -> None:
    assert replace(ListenConfig(), query_host="::1").query_url == "http://[::1]:1337"


def test_frontend_config_refuses_what_is_not_supported() -> None:
    with pytest.raises(InvalidArgumentError, match="workers"):
        FrontendConfig(workers=2)
    with pytest.raises(InvalidArgumentError, match="command"):
        FrontendConfig(command=())
