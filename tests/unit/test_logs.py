"""The set-up of logging in Clipper's own processes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipper.config import LogConfig
from clipper.log_file import RotatingLog, is_start_line
from clipper.logs import RotatingHandler, container_variables, start_line, start_logging
from model_containers.settings import LogSettings


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def test_records_from_the_level_on_go_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.excepthook", None)
    path = tmp_path / "supervisor.log"
    handler = RotatingHandler(RotatingLog(path, 10_000, 1))
    start_logging(LogConfig(format="json", level="warning"), "supervisor", handler)
    logging.getLogger("clipper.supervisor").info("not this")
    logging.getLogger("clipper.supervisor").warning("but this")
    (line,) = path.read_text().splitlines()
    assert json.loads(line)["message"] == "but this" and json.loads(line)["process"] == "supervisor"


@pytest.mark.parametrize("form", ["text", "json"])
def test_start_of_a_process_is_known_again_in_its_log(form: str) -> None:
    line = start_line(LogConfig(format=form), "m:1:0", 77).decode()
    assert is_start_line(line) and "--- started m:1:0, pid 77" in line
    assert not is_start_line('{"message": "started"}') and not is_start_line("started")


def test_container_is_told_to_log_like_the_others() -> None:
    variables = container_variables(LogConfig(format="json", level="debug"))
    assert LogSettings.from_environment(variables) == LogSettings("json", "debug")
