"""A model's files: left where a server of this machine finds them, or sent to another one as a tar."""

from __future__ import annotations

import errno
import fcntl
import io
import json
import socket
import tarfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from clipper import Clipper, InvalidArgumentError, Progress, UnavailableError
from clipper.cli.server import connect
from clipper.client.model_files import local_directory
from clipper.deployers import register_deployer, unregister_deployer
from tests.support.canned_server import canned_server


def status_of(run_dir: Path) -> dict[str, Any]:
    return {"query_url": "http://127.0.0.1:1", "run_dir": str(run_dir), "staging_dir": str(run_dir / "staging")}


def make_instance(run_dir: Path, port: int) -> None:
    (run_dir / "staging").mkdir()
    (run_dir / "supervisor.lock").touch()
    (run_dir / "config.json").write_text(json.dumps({"listen": {"management_port": port}}))


def test_model_is_sent_to_a_server_on_another_machine_as_a_tar(tmp_path: Path) -> None:
    answers = {
        "/api/v1/status": (200, "application/json", json.dumps(status_of(tmp_path / "elsewhere")).encode()),
        "/api/v1/files": (200, "application/json", b'{"files": "/srv/staging/abc"}'),
        "/api/v1/models/m/versions": (201, "application/json", b"{}"),
    }
    steps: list[Progress] = []
    with canned_server(answers) as server, Clipper.connect(server.url) as clipper:
        clipper.deploy_model("m", 1, lambda inputs: inputs, progress=steps.append)
    sent, deployed = server.asked[-2:]
    assert sent.headers["content-type"] == "application/x-tar"
    with tarfile.open(fileobj=io.BytesIO(sent.body)) as tar:
        (member,) = tar.getmembers()
    assert (member.name, member.uid, member.uname) == ("function.pkl", 0, "")
    assert json.loads(deployed.body)["files"] == "/srv/staging/abc"
    assert [step.stage for step in steps] == ["saving", "uploading", "done"]


@pytest.mark.parametrize(
    ("url", "is_alive", "is_shared"),
    [
        ("http://127.0.0.1:1338", True, True),
        ("http://localhost:1338", True, True),
        ("http://127.0.0.1:1338", False, False),  # the port is another machine's, at the mouth of a tunnel
        ("http://127.0.0.1:9", True, False),
        ("http://10.0.0.7:1338", True, False),
    ],
)
def test_directory_is_the_servers_only_if_the_instance_behind_the_url_lives_here(
    tmp_path: Path, url: str, is_alive: bool, is_shared: bool
) -> None:
    make_instance(tmp_path, 1338)
    with (tmp_path / "supervisor.lock").open() as lock:
        if is_alive:
            fcntl.flock(lock, fcntl.LOCK_EX)
        with local_directory(status_of(tmp_path), url, is_own=False) as (directory, found):
            assert found is is_shared
            assert (directory.parent == tmp_path / "staging") is is_shared
        assert not directory.exists()


def test_nothing_of_a_model_that_cannot_be_pickled_reaches_the_server(tmp_path: Path) -> None:
    answers = {"/api/v1/status": (200, "application/json", json.dumps(status_of(tmp_path)).encode())}
    with canned_server(answers) as server, socket.socket() as stream, Clipper.connect(server.url) as clipper:
        with pytest.raises(InvalidArgumentError, match="cannot be pickled because of its variable 'stream'"):
            clipper.deploy_model("m", 1, lambda inputs: [stream for _ in inputs])
        assert {asked.method for asked in server.asked} == {"GET"}


def full_disk(directory: Path) -> None:
    (directory / "begun").touch()
    raise OSError(errno.ENOSPC, "No space left on device")


class OnFullDisk:
    """A deployer whose files the disk does not take."""

    container = "on-full-disk"

    def accepts(self, model: Any) -> bool:
        return isinstance(model, OnFullDisk)

    def save(self, model: Any, directory: Path) -> None:
        full_disk(directory)


def test_files_that_the_disk_does_not_take_are_an_error_and_leave_nothing(tmp_path: Path) -> None:
    """By the Python API and by the command line, which save a model in ways of their own."""
    answers = {"/api/v1/status": (200, "application/json", json.dumps(status_of(tmp_path)).encode())}
    refused = pytest.raises(UnavailableError, match=r"files cannot be written: .*No space left on device .*free space")
    register_deployer(OnFullDisk())
    try:
        with canned_server(answers) as server:
            make_instance(tmp_path, int(server.url.rpartition(":")[2]))
            with (tmp_path / "supervisor.lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                with Clipper.connect(server.url) as clipper, refused:
                    clipper.deploy_model("m", 1, OnFullDisk())
                with connect(server.url, None, None, None) as shell, refused, shell.model_files(full_disk):
                    pass
            assert {asked.method for asked in server.asked} == {"GET"}
    finally:
        unregister_deployer(OnFullDisk.container)
    assert list((tmp_path / "staging").iterdir()) == []


def test_tar_that_the_disk_does_not_take_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is elsewhere; the disk for temporary files here is full."""
    answers = {"/api/v1/status": (200, "application/json", json.dumps(status_of(tmp_path / "elsewhere")).encode())}
    monkeypatch.setattr("tempfile.TemporaryFile", partial(open, "/dev/full", "w+b"))
    with canned_server(answers) as server, Clipper.connect(server.url) as clipper:
        with pytest.raises(UnavailableError, match=r"files cannot be written: .*No space left"):
            clipper.deploy_model("m", 1, lambda inputs: inputs)
        assert {asked.method for asked in server.asked} == {"GET"}
