"""``clipper monitor``, the same in Python, and what ``clipper status`` says of models, against canned answers."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from clipper import Clipper
from clipper.cli.app import app
from clipper.cli.status import _recent_events, problems_of
from tests.support.canned_server import CannedServer, canned_server

NOW_US = time.time_ns() // 1000
ARM = {
    "arm": "svm:2", "is_ready": True, "is_degraded": True, "have_outputs_changed": False, "is_quarantined": True,
    "observations": 4363, "loss": 0.472, "loss_low": 0.429, "loss_high": 0.516, "baseline_loss": 0.091,
    "outputs": 81_204, "output_measure": "psi", "output_distance": 0.012, "output_limit": 0.25,
}  # fmt: skip
NEW_ARM = {
    **ARM, "arm": "tree:1", "is_ready": False, "is_degraded": False, "is_quarantined": False, "observations": 0,
    "loss": None, "loss_low": 0.0, "loss_high": 1.0, "baseline_loss": None, "outputs": 0, "output_measure": None,
    "output_distance": None, "output_limit": None,
}  # fmt: skip
WATCHED: dict[str, Any] = {
    "application": "digits",
    "on_degraded": "quarantine",
    "arms": [ARM, NEW_ARM],
    "degraded": {"svm:2": "its mean loss rose from 0.091 to 0.472"},
    "quarantined": {"svm:2": "its mean loss rose from 0.091 to 0.472"},
    "events": [{"at_us": 1_795_356_131_000_000, "kind": "quarantined", "text": "svm:2: its mean loss rose"}],
}


@contextlib.contextmanager
def management() -> Iterator[CannedServer]:
    answer = (200, "application/json", json.dumps(WATCHED).encode())
    paths = ("/monitoring", "/quarantines/svm:2", "/quarantines/svm%3A2")
    with canned_server({f"/api/v1/applications/digits{path}": answer for path in paths}) as server:
        yield server


def run(server: CannedServer, *words: str) -> Any:
    return CliRunner().invoke(app, ["monitor", *words, "--url", server.url], env={"COLUMNS": "140"})


def test_show_tells_the_state_of_each_model_its_quarantine_and_what_happened() -> None:
    with management() as server:
        shown = run(server, "show", "digits")
    assert shown.exit_code == 0, shown.output
    svm = next(line for line in shown.stdout.splitlines() if line.startswith("svm:2"))
    assert " ".join(svm.split()) == "svm:2 quarantined 0.472 0.429 to 0.516 0.091 4,363 PSI 0.012 of 0.250 81,204"
    assert "learning its baseline" in shown.stdout
    assert "svm:2 is quarantined: its mean loss rose from 0.091 to 0.472" in shown.stdout
    assert "`clipper monitor lift digits svm:2` lets it back" in shown.stdout
    assert "2026-11-22 14:02:11Z  quarantined  svm:2: its mean loss rose" in shown.stdout


def test_show_as_json_prints_the_answer_as_it_is() -> None:
    with management() as server:
        assert json.loads(run(server, "show", "digits", "--json").stdout) == WATCHED


def test_quarantine_says_what_is_left() -> None:
    with management() as server:
        done = run(server, "quarantine", "digits", "svm:2")
        assert done.stdout == "digits does without svm:2; left: tree:1\n"
        assert [asked.method for asked in server.asked] == ["PUT"]


@pytest.mark.parametrize(("words", "query"), [((), ""), (("--forget",), "?forget=true")])
def test_lift_asks_to_forget_only_if_told_to(words: tuple[str, ...], query: str) -> None:
    with management() as server:
        done = run(server, "lift", "digits", "svm:2", *words)
        assert done.stdout == "digits uses svm:2 again\n", done.output
        (asked,) = server.asked
        assert asked.method == "DELETE" and asked.path.endswith(query) and ("?" in asked.path) == bool(query)


def test_python_gives_records_that_show_themselves_as_a_table() -> None:
    with management() as server, Clipper.connect(server.url, query_url=server.url) as clipper:
        found = clipper.monitoring("digits")
        clipper.lift_quarantine("digits", "svm:2", forget=True)
        clipper.quarantine("digits", "svm:2")
        assert [asked.method for asked in server.asked] == ["GET", "DELETE", "PUT"]
        assert server.asked[1].path.endswith("?forget=true")
    assert found.arms[0].is_degraded and found.arms[1].loss is None
    assert "svm:2" in repr(found) and "<table>" in found._repr_html_()


def status(**watched: Any) -> dict[str, Any]:
    return {
        "revision": 3,
        "workers": [{"worker": 0, "pid": 1, "applied_revision": 3}],
        "models": [],
        "monitoring": [{**WATCHED, **watched}],
    }


def test_quarantined_model_is_one_problem_of_the_status_and_a_degraded_one_another() -> None:
    (problem,) = problems_of(status())
    assert "svm:2 answers no queries of digits, it is quarantined" in problem and "clipper monitor lift" in problem
    (problem,) = problems_of(status(quarantined={}))
    assert "svm:2 is degraded in digits: its mean loss rose" in problem and "clipper monitor show digits" in problem
    assert problems_of(status(quarantined={}, degraded={})) == []
    assert problems_of({**status(), "monitoring": []}) == []


def test_status_remarks_what_was_done_in_the_last_day_and_not_what_was_found_or_is_older() -> None:
    def event(kind: str, age_h: int) -> dict[str, Any]:
        return {"at_us": NOW_US - age_h * 3_600_000_000, "kind": kind, "text": "svm:2: svm:1 answers instead"}

    events = [event("rolled_back", 25), event("degraded", 1), event("rolled_back", 23), event("recovered", 1)]
    (remark,) = _recent_events(status(events=events))
    assert remark.startswith("digits: ") and remark.endswith("rolled_back  svm:2: svm:1 answers instead")
