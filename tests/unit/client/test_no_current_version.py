"""A model of which no version answers: calls that mean the current one say so."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from clipper import Clipper, NotFoundError
from clipper.cli.app import app
from clipper.cli.exit_codes import ExitCode
from tests.support.canned_server import CannedServer, canned_server

MODEL: dict[str, object] = {"name": "m", "current_version": None, "previous_versions": [], "versions": []}


@pytest.fixture
def server() -> Iterator[CannedServer]:
    answers = {
        "/api/v1/status": {"query_url": "http://127.0.0.1:1"},
        "/api/v1/models/m": MODEL,
        "/api/v1/models": [MODEL],
        "/api/v1/applications": [],
    }
    canned = {path: (200, "application/json", json.dumps(document).encode()) for path, document in answers.items()}
    with canned_server(canned) as server:
        yield server


def test_scaling_and_asking_for_the_current_version_are_refused(server: CannedServer) -> None:
    with Clipper.connect(server.url) as clipper:
        with pytest.raises(NotFoundError, match="the model 'm' has no current version"):
            clipper.set_num_replicas("m", 2)
        with pytest.raises(NotFoundError, match="the model 'm' has no current version"):
            clipper.get_version("m")
    assert all(asked.method == "GET" for asked in server.asked)


def test_command_line_asks_which_one_is_meant(server: CannedServer) -> None:
    scaled = CliRunner().invoke(app, ["scale", "m", "2", "--url", server.url])
    assert scaled.exit_code == ExitCode.NOT_FOUND
    assert "has no current version" in scaled.output and "--version VERSION" in scaled.output
    shown = CliRunner().invoke(app, ["models", "show", "m", "--url", server.url])
    assert shown.stdout == "m: no version answers; linked to no application\n"
