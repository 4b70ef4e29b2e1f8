"""What a start refuses for want of a guard: through the processes that really start, and with nothing left behind."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.procfs import processes_of
from clipper import Clipper, InvalidArgumentError, StartError
from clipper.config import ClipperConfig, ListenConfig, RpcConfig, SecurityConfig, StateConfig
from clipper.frontend.rpc_endpoints import RpcEndpoints
from clipper.security.rpc_keys import make_rpc_keys
from clipper.security.tokens import make_token_file
from clipper.supervisor.launch import child_environment, make_run_dir
from tests.support.certificates import write_certificate
from tests.support.processes import wait_until

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def run_dir() -> Iterator[Path]:
    path = make_run_dir()
    yield path
    # A supervisor that gives up has ended when the caller is told; the kernel ends its children in the moments after.
    wait_until(lambda: processes_of(path) == {})
    for child in sorted(path.rglob("*"), reverse=True):
        child.rmdir() if child.is_dir() else child.unlink()
    path.rmdir()


@pytest.fixture
def good(run_dir: Path, tmp_path: Path) -> ClipperConfig:
    """A configuration that starts, on every address."""
    files = write_certificate(tmp_path)
    make_token_file(tmp_path / "token")
    make_rpc_keys(tmp_path / "keys")
    return ClipperConfig(
        run_dir,
        listen=ListenConfig(query_host="0.0.0.0", query_port=0, management_host="0.0.0.0", management_port=0),
        rpc=RpcConfig(tcp_host="0.0.0.0"),
        security=SecurityConfig(
            management_token_file=tmp_path / "token",
            tls_certificate_file=files.certificate,
            tls_key_file=files.key,
            rpc_keys_dir=tmp_path / "keys",
        ),
    )


def open_to_all(path: Path) -> None:
    path.chmod(0o644)


def shorten(path: Path) -> None:
    path.write_text("too-short-for-anybody\n")


@pytest.mark.parametrize(
    ("file", "spoil", "problem"),
    [
        ("token", open_to_all, "the token file .*0644, expected 0600"),
        ("token", Path.unlink, "the token file .* does not exist"),
        ("token", shorten, "21 characters, expected at least 32"),
        ("server.key", open_to_all, "the TLS key file .*0644, expected 0600"),
        ("server.pem", Path.unlink, "the certificate .* does not exist"),
        ("keys/frontend.keys", open_to_all, "the file of RPC keys .*0644, expected 0600"),
        ("keys/frontend.keys", Path.unlink, "the file of RPC keys .* does not exist"),
        ("keys/authorized_containers", lambda path: path.chmod(0o666), "others may change it"),
    ],
)
def test_start_with_an_unusable_file_of_secrets_is_refused(
    good: ClipperConfig, tmp_path: Path, file: str, spoil: Callable[[Path], object], problem: str
) -> None:
    spoil(tmp_path / file)
    with pytest.raises(InvalidArgumentError, match=problem) as caught:
        Clipper.start(config=good)
    assert "too-short" not in str(caught.value)
    assert not (good.run_dir / "control.sock").exists()


@pytest.mark.parametrize(
    ("section", "changes", "problem"),
    [
        ("security", {"management_token_file": None}, "listen.query_host='0.0.0.0' is not a loopback address"),
        ("security", {"rpc_keys_dir": None}, "rpc.tcp_host='0.0.0.0' lets containers join over TCP, and there are no"),
    ],
)
def test_supervisor_refuses_a_configuration_without_guards_however_it_came_there(
    good: ClipperConfig, section: str, changes: dict[str, object], problem: str
) -> None:
    document = json.loads(good.to_json())
    document[section].update(changes)
    (good.run_dir / "config.json").write_text(json.dumps(document))
    done = subprocess.run(
        [sys.executable, "-m", "clipper.supervisor", "--run-dir", str(good.run_dir)],
        env=child_environment(), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert problem in done.stderr


@pytest.mark.parametrize("name", ["query_host", "management_host"])
def test_each_address_off_loopback_needs_a_token(good: ClipperConfig, name: str) -> None:
    listen = replace(ListenConfig(), **{name: "0.0.0.0"})  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match=f"listen.{name}='0.0.0.0'"):
        replace(good, listen=listen, security=replace(good.security, management_token_file=None))


def test_run_directory_with_the_files_of_others_is_refused(run_dir: Path) -> None:
    run_dir.chmod(0o755)
    (run_dir / "diary.txt").touch()
    with pytest.raises(StartError, match=r"0755, so others can enter it, and it holds files that are not Clipper's"):
        Clipper.start(config=ClipperConfig(run_dir, listen=ListenConfig(query_port=0, management_port=0)))
    assert [path.name for path in run_dir.iterdir()] == ["diary.txt"]


def test_port_for_containers_that_is_taken_is_told(good: ClipperConfig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        taken = replace(good, rpc=RpcConfig(tcp_host="127.0.0.1", tcp_port=port))
        with pytest.raises(StartError, match=rf"cannot listen for containers on 127\.0\.0\.1:{port} .*in use"):
            Clipper.start(config=taken)
    wait_until(lambda: processes_of(good.run_dir) == {})


def test_address_for_containers_that_cannot_be_bound_is_told(good: ClipperConfig) -> None:
    elsewhere = replace(good, rpc=RpcConfig(tcp_host="203.0.113.1"))  # TEST-NET-3, RFC 5737
    with pytest.raises(StartError, match=r"cannot listen for containers on 203.0.113.1:0 .*Cannot assign requested"):
        RpcEndpoints(elsewhere, worker=0)


def test_password_of_a_state_store_that_does_not_answer_is_in_no_error_and_no_log(run_dir: Path) -> None:
    listen = ListenConfig(query_port=0, management_port=0)
    state = StateConfig(url="redis://:hush-hush-hush@127.0.0.1:1/0", connect_limit_us=100_000)
    with pytest.raises(StartError) as caught:
        Clipper.start(config=ClipperConfig(run_dir, listen=listen, state=state))
    logs = {path.name: path.read_text() for path in (run_dir / "logs").iterdir()}
    assert "127.0.0.1:1" in str(caught.value) and "127.0.0.1:1" in logs["management.log"]
    assert "hush" not in str(caught.value) + str(logs)


def test_children_are_told_neither_options_nor_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    callers = {"CLIPPER_STATE__URL", "CLIPPER_TOKEN", "CLIPPER_TOKEN_FILE", "CLIPPER_CONFIG"}
    for name in (*callers, "CLIPPER_DOUBLER_FACTOR"):
        monkeypatch.setenv(name, "value")
    told = {name for name in child_environment() if name.startswith("CLIPPER_")}
    assert "CLIPPER_DOUBLER_FACTOR" in told  # a parameter of a container
    assert not told & callers
