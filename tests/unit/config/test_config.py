"""Configuration objects: validated where they are made, the same after a trip through the run directory's file."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path
from typing import Any

import pytest

from clipper.config import (
    MAX_SOCKET_PATH_BYTES,
    ClipperConfig,
    CoreConfig,
    FrontendConfig,
    HttpConfig,
    ListenConfig,
    LogConfig,
    ManagementConfig,
    RpcConfig,
    SecurityConfig,
    StateConfig,
    SupervisorConfig,
    keys,
    parse_config,
    read_config,
    without_password,
)
from clipper.config.keys import sections
from clipper.config.option import LARGEST_INTEGER, LONGEST_DURATION_US
from clipper.errors import InvalidArgumentError

ANY = Path("/run/any")
TOKEN = SecurityConfig(management_token_file=Path("/etc/clipper/token"))


def test_config_written_to_run_dir_is_read_back_equal(tmp_path: Path) -> None:
    config = ClipperConfig(
        tmp_path,
        remove_run_dir=True,
        listen=ListenConfig(query_port=0, management_port=4711, allowed_hosts=("clipper.example",)),
        logs=LogConfig(max_bytes=2048, keep_count=1, format="json"),
        management=ManagementConfig(containers={"mine": ("/bin/mine", "--fast")}),
        security=TOKEN,
        state=StateConfig("redis://:secret@127.0.0.1:6379/1"),
    )
    config.write()
    assert read_config(tmp_path) == config
    assert (tmp_path / "config.json").stat().st_mode & 0o077 == 0


def test_no_option_of_any_component_can_be_changed_after_the_checks() -> None:
    config = ClipperConfig(ANY)
    for section in (config, *(getattr(config, name) for name in sections())):
        for option in fields(section):
            with pytest.raises(FrozenInstanceError):
                setattr(section, option.name, getattr(section, option.name))


def test_config_without_file_is_the_default(tmp_path: Path) -> None:
    assert read_config(tmp_path) == ClipperConfig(tmp_path)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"remove_run_dir": 1}', b"not json", b"\xff", b"[" * 100_000])
def test_config_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(InvalidArgumentError, match=r"config\.json"):
        read_config(tmp_path)


@pytest.mark.parametrize(
    ("section", "content"), [("listen", {"query_port": "80"}), ("listen", {"port": 1}), ("logs", []), ("logs", None)]
)
def test_config_document_with_a_wrong_section_is_refused(section: str, content: object) -> None:
    document = json.loads(ClipperConfig(ANY).to_json()) | {section: content}
    with pytest.raises(InvalidArgumentError, match="the configuration is not"):
        parse_config(json.dumps(document), ANY, "the configuration")


def test_run_dir_is_refused_one_byte_past_the_longest_socket_path() -> None:
    longest = Path("/" + "d" * (MAX_SOCKET_PATH_BYTES - len("/" + "/control.sock")))
    assert len(str(ClipperConfig(longest).control_socket_path)) == MAX_SOCKET_PATH_BYTES
    with pytest.raises(InvalidArgumentError, match="too long"):
        ClipperConfig(Path(f"{longest}d"))


def test_relative_run_dir_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="run_dir='here' is not valid: expected an absolute path"):
        ClipperConfig(Path("here"))


# -- addresses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org"])
@pytest.mark.parametrize("name", ["query_host", "management_host"])
def test_address_off_loopback_needs_a_management_token(name: str, host: str) -> None:
    options: dict[str, Any] = {name: host}
    listen = replace(ListenConfig(), **options)
    with pytest.raises(
        InvalidArgumentError, match=rf"listen\.{name}='{host}' is not a loopback.*management_token_file"
    ):
        ClipperConfig(ANY, listen=listen)
    assert ClipperConfig(ANY, listen=listen, security=TOKEN).listen == listen


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_loopback_address_needs_no_token(host: str) -> None:
    ClipperConfig(ANY, listen=ListenConfig(query_host=host, management_host=host))


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1"])
def test_rpc_over_tcp_needs_keys(host: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"rpc\.tcp_host.*rpc_keys_dir"):
        ClipperConfig(ANY, rpc=RpcConfig(tcp_host=host))
    ClipperConfig(ANY, rpc=RpcConfig(tcp_host=host), security=SecurityConfig(rpc_keys_dir=Path("/etc/keys")))


@pytest.mark.parametrize("host", ["", "http://a", "a:80", "[::1]", "a b", "-a", "a/b", "a\n", "x" * 254, 7, None])
def test_text_that_is_no_host_is_refused(host: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="query_host"):
        ListenConfig(query_host=host)
    with pytest.raises(InvalidArgumentError, match="allowed_hosts"):
        ListenConfig(allowed_hosts=(host,))
    if host != "":
        with pytest.raises(InvalidArgumentError, match="tcp_host"):
            RpcConfig(tcp_host=host)


@pytest.mark.parametrize("port", [-1, 65536, True, "80", 80.0, None])
def test_port_out_of_range_is_refused(port: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="query_port"):
        ListenConfig(query_port=port)


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:80"), ("::1", "http://[::1]:80"), ("0.0.0.0", "http://127.0.0.1:80"),
     ("::", "http://[::1]:80"), ("clipper.example", "http://clipper.example:80")],
)  # fmt: skip
def test_url_is_one_that_a_client_on_this_machine_reaches(host: str, url: str) -> None:
    listen = ListenConfig(query_host=host, query_port=80, management_host=host, management_port=80)
    assert listen.query_url == listen.management_url == url


def test_management_answers_under_local_names_its_own_and_the_allowed_ones() -> None:
    local = ("localhost", "127.0.0.1", "::1")
    assert ListenConfig().accepted_hosts == local
    assert ListenConfig(management_host="0.0.0.0").accepted_hosts == local
    public = ListenConfig(management_host="192.0.2.1", allowed_hosts=("clipper.example", "localhost"))
    assert public.accepted_hosts == (*local, "192.0.2.1", "clipper.example")


# -- ranges ------------------------------------------------------------------------------------------------------------


# What makes room for an option at its bounds, where another one of its section limits it.
ROOM: dict[str, dict[str, int]] = {
    "http.max_body_bytes": {"max_buffered_body_bytes": LARGEST_INTEGER},
    "http.max_buffered_body_bytes": {"max_body_bytes": 1},
    "rpc.look_interval_us": {"heartbeat_timeout_us": LONGEST_DURATION_US},
    "supervisor.restart_backoff_min_us": {"restart_backoff_max_us": LONGEST_DURATION_US},
    "supervisor.restart_backoff_max_us": {"restart_backoff_min_us": 1},
    "management.replace_backoff_min_us": {"replace_backoff_max_us": LONGEST_DURATION_US},
    "management.replace_backoff_max_us": {"replace_backoff_min_us": 1},
}


@pytest.mark.parametrize("name", [name for name, key in keys().items() if key.kind is int])
def test_number_is_accepted_at_its_bounds_and_refused_one_past_them(name: str) -> None:
    key = keys()[name]
    owner = sections()[key.section]
    for accepted in (key.about.minimum, key.about.maximum):
        made = owner(**{key.name: accepted, **ROOM.get(name, {})})
        assert getattr(made, key.name) == accepted
    for refused in (key.about.minimum - 1, key.about.maximum + 1, True, 1.5, "1", None):
        with pytest.raises(InvalidArgumentError, match=f"^{key.name}=.* is not valid: expected "):
            owner(**{key.name: refused, **ROOM.get(name, {})})


def test_every_duration_has_the_bound_that_processes_can_wait() -> None:
    assert [
        name for name, key in keys().items() if name.endswith("_us") and key.about.maximum > LONGEST_DURATION_US
    ] == []
    assert LONGEST_DURATION_US // 1_000 < 2**31


@pytest.mark.parametrize(
    ("make", "culprit"),
    [
        (lambda: HttpConfig(max_body_bytes=11, max_buffered_body_bytes=10), "max_body_bytes"),
        (lambda: RpcConfig(heartbeat_timeout_us=1_999_999, look_interval_us=1_000_000), "heartbeat_timeout_us"),
        (lambda: SupervisorConfig(restart_backoff_min_us=11, restart_backoff_max_us=10), "restart_backoff_min_us"),
        (lambda: ManagementConfig(replace_backoff_min_us=11, replace_backoff_max_us=10), "replace_backoff_min_us"),
        (lambda: SecurityConfig(tls_key_file=Path("/k")), "tls_certificate_file"),
        (lambda: SecurityConfig(tls_certificate_file=Path("/c")), "tls_key_file"),
        (lambda: ManagementConfig(containers={"mine": ()}), "containers"),
        (lambda: ManagementConfig(containers={"": ("a",)}), "containers"),
        (lambda: ManagementConfig(containers={"mine": "a"}), "containers"),  # type: ignore[dict-item]
        (lambda: FrontendConfig(workers=2), "workers"),
        (lambda: FrontendConfig(command=()), "command"),
        (lambda: FrontendConfig(command=("a\0",)), "command"),
        (lambda: LogConfig(level="loud"), "'debug', 'info'"),
        (lambda: LogConfig(format=""), "'text', 'json'"),
        (lambda: SecurityConfig(rpc_keys_dir=Path("keys")), "an absolute path"),
        (lambda: SecurityConfig(rpc_keys_dir=Path("/\udcff")), "rpc_keys_dir"),
    ],
)
def test_options_that_contradict_each_other_or_their_type_are_refused(make: Any, culprit: str) -> None:
    with pytest.raises(InvalidArgumentError, match=culprit):
        make()


def test_options_at_the_edge_of_what_another_one_allows_are_accepted() -> None:
    HttpConfig(max_body_bytes=10, max_buffered_body_bytes=10)
    RpcConfig(heartbeat_timeout_us=2_000_000, look_interval_us=1_000_000)
    SupervisorConfig(restart_backoff_min_us=10, restart_backoff_max_us=10)
    ManagementConfig(replace_backoff_min_us=10, replace_backoff_max_us=10)
    assert CoreConfig(cache_bytes=0).cache_bytes == 0


# -- the state's URL ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["", "memory:", "sqlite:/var/lib/clipper.sqlite", "sqlite:///var/lib/x", "sqlite:state/here", "redis://localhost",
     "redis://:pass%40word@127.0.0.1:6379/0?prefix=team-a", "redis://user:pw@[::1]:1/15", "rediss://redis.example/"],
)  # fmt: skip
def test_url_of_a_state_store_is_accepted(url: str) -> None:
    assert StateConfig(url).url == url


@pytest.mark.parametrize(
    "url",
    ["memory", "memory:x", "sqlite:", "sqlite:/", "sqlite://host/x", "redis:", "redis://", "redis://:secret@host:port",
     "redis://:secret@host:99999", "redis://:secret@host/name", "redis://:secret@[::1", "redis://h?password=secret",
     "redis://h?prefix=", "redis://h?prefix=a/b", "redis://h#secret", "redis://:sec ret@h", "postgres://:secret@h/x"],
)  # fmt: skip
def test_url_of_no_state_store_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(InvalidArgumentError, match="redis://") as refusal:
        StateConfig(url)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:secret@host:6379/1", "redis://***@host:6379/1"),
        ("redis://user:se@cret@host", "redis://***@host"),
        ("redis:/:secret@host", "redis:/***@host"),
        ("secret@host", "***@host"),
        ("redis://host?password=secret&prefix=a", "redis://host?password=***&prefix=a"),
        ("redis://host/1?prefix=a", "redis://host/1?prefix=a"),
        ("sqlite:/srv/me@work/state", "sqlite:/srv/me@work/state"),
        ("", ""),
    ],
)
def test_password_of_a_url_is_hidden_and_the_rest_is_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown
