"""A model's files: left where a server of this machine finds them, or sent to another one as a tar."""

from __future__ import annotations

import fcntl
import io
import json
import socket
import tarfile
from pathlib import Path
from typing import Any

import pytest

from clipper import Clipper, InvalidArgumentError, Progress
from clipper.client.model_files import local_directory
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
