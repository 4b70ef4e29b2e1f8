"""How a long call tells what it does."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from clipper import Clipper, DeployError, InvalidArgumentError, Progress, ServerError, UnavailableError
from clipper.client.progress import reporter
from tests.support.canned_server import canned_server

STATUS = (200, "application/json", json.dumps({"query_url": "http://127.0.0.1:1"}).encode())
VERSIONS = "/api/v1/models/m/versions"


def events(*documents: dict[str, Any]) -> tuple[int, str, bytes]:
    return 200, "application/x-ndjson", "".join(json.dumps(document) + "\n" for document in documents).encode()


LOADING = {"event": "progress", "stage": "loading", "detail": "m:1:0", "ready_replicas": 1, "replicas": 2}


def deploy(answer: tuple[int, str, bytes], progress: Any) -> None:
    answers = {"/api/v1/status": STATUS, VERSIONS: answer}
    with canned_server(answers) as server, Clipper.connect(server.url) as clipper:
        clipper.deploy_model("m", 1, container="noop", replicas=2, progress=progress)


def test_callable_gets_each_step_and_the_end() -> None:
    steps: list[Progress] = []
    deploy(events(LOADING, {"event": "done", "result": {}}), steps.append)
    assert [(step.stage, step.ready_replicas, step.replicas) for step in steps] == [("loading", 1, 2), ("done", 0, 0)]
    assert all(step.elapsed_us >= 0 for step in steps)


def test_server_without_events_still_ends_the_call() -> None:
    steps: list[Progress] = []
    deploy((201, "application/json", b"{}"), steps.append)
    assert [step.stage for step in steps] == ["done"]


def test_error_event_is_raised_with_the_end_of_the_log() -> None:
    error = {"event": "error", "error": "deploy_failed", "cause": "it died", "hint": "", "log_tail": "Traceback"}
    with pytest.raises(DeployError, match="it died") as caught:
        deploy(events(LOADING, error), print)
    assert caught.value.log_tail == "Traceback"


@pytest.mark.parametrize(
    ("body", "kind", "match"),
    [(b"", UnavailableError, "broke off"), (b"[]\n", ServerError, "that is none"), (b"{\n", ServerError, "none")],
)
def test_stream_that_ends_early_or_is_no_event_is_an_error(body: bytes, kind: type[Exception], match: str) -> None:
    with pytest.raises(kind, match=match):
        deploy((200, "application/x-ndjson", body), lambda step: None)


def test_container_that_lacks_a_module_is_told_what_to_do() -> None:
    tail = "Traceback\nModuleNotFoundError: No module named 'nowhere.inner'"
    error = {"error": "deploy_failed", "cause": "the model m:1 failed", "log_tail": tail}
    with pytest.raises(DeployError) as caught:
        deploy((502, "application/json", json.dumps(error).encode()), None)
    assert "no nowhere.inner: install it where Clipper runs" in caught.value.hint


def test_true_prints_one_line_a_change_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = io.StringIO()
    monkeypatch.setattr("sys.stderr", printed)
    deploy(events(LOADING, LOADING, {"event": "done", "result": {}}), True)
    lines = printed.getvalue().splitlines()
    assert [line.split(" (")[0] for line in lines] == [
        "deploying m:1: loading: m:1:0", "deploying m:1: done",
    ]  # fmt: skip


def test_true_draws_a_bar_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", terminal)
    deploy(events(LOADING, {"event": "done", "result": {}}), True)
    assert "deploying m:1" in terminal.getvalue()


def test_option_that_is_neither_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="progress='yes'"), reporter("x", "yes"):  # type: ignore[arg-type]
        pass


def test_exception_of_the_callers_own_function_reaches_the_caller() -> None:
    def fail(step: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        deploy(events(LOADING, {"event": "done", "result": {}}), fail)
