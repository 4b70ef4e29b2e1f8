"""`clipper policy` and `clipper feedback` against canned answers: what they send, print and end with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from clipper.cli.app import app
from clipper.cli.assignments import parse_assignments, parse_value
from clipper.cli.completion import complete_policies
from clipper.cli.exit_codes import ExitCode
from clipper.cli.policy import planned
from clipper.errors import InvalidArgumentError
from clipper.selection import POLICIES
from tests.support.canned_learning import POLICY, canned_learning
from tests.support.canned_server import CannedServer

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def server() -> Iterator[CannedServer]:
    with canned_learning() as server:
        yield server


@pytest.fixture
def run(server: CannedServer, tmp_path: Path) -> CommandLine:
    return CommandLine(server, tmp_path)


class CommandLine:
    """Runs a command against the canned Clipper."""

    def __init__(self, server: CannedServer, home: Path) -> None:
        self.home = home
        self._server = server
        self._runner = CliRunner(env={"CLIPPER_URL": server.url, "XDG_STATE_HOME": str(home), "CLIPPER_TOKEN": None})

    def __call__(self, *arguments: str, expect: ExitCode = ExitCode.OK, stdin: str = "") -> str:
        result = self._runner.invoke(app, arguments, input=stdin)
        assert result.exit_code == expect, (arguments, result.output, result.exception)
        return result.output

    @property
    def sent(self) -> object:
        return json.loads(self._server.asked[-1].body)


# -- policy --------------------------------------------------------------------------------------------------------


def test_policy_is_shown_as_a_table_of_its_models(run: CommandLine) -> None:
    first, head, svm, tree, event = run("policy", "show", "digits").splitlines()
    assert first == "digits: thompson (floor=0.02); learned from 5,321 observations, knows 12 contexts"
    assert head.split() == ["MODEL", "SHARE", "PULLS", "REWARD", "95%", "INTERVAL"]
    assert svm.split() == ["svm:1", "0.980", "5,321", "0.974", "0.965", "to", "0.981"]
    assert tree.split() == ["tree:1", "0.020", "0", "-", "-"]
    assert event == "2023-11-14 22:13:20Z  drift: tree:1 is worse than it was"


def test_policy_of_a_context_names_it_or_says_that_nothing_is_known_of_it(
    run: CommandLine, server: CannedServer
) -> None:
    assert "digits, ann: thompson" in run("policy", "show", "digits", "--context", "ann")
    assert "nothing is known of 'bob' alone" in run("policy", "show", "digits", "--context", "bob")
    assert "digits, ann: thompson" in run("policy", "show", "digits", "--context", "ann")
    assert server.asked[-1].path.endswith("/applications/digits/policy?context=ann")


def test_policy_as_json_is_the_answer_of_management(run: CommandLine) -> None:
    assert json.loads(run("policy", "show", "digits", "--json")) == POLICY


def test_policy_of_a_misspelt_application_suggests_the_nearest(run: CommandLine) -> None:
    assert "did you mean 'digits'?" in run("policy", "show", "digist", expect=ExitCode.NOT_FOUND)


def test_policy_is_set_with_parameters_as_words_or_json(run: CommandLine) -> None:
    assert run("policy", "set", "digits", "thompson", "floor=0.02").startswith("digits chooses by thompson")
    assert run.sent == {"policy": {"name": "thompson", "floor": 0.02}}
    run("policy", "set", "digits", "hedge", '{"eta": 0.3}', "answer_when_decided=false", "--learning", "loss=log")
    policy = {"name": "hedge", "eta": 0.3, "answer_when_decided": False}
    assert run.sent == {"policy": policy, "learning": {"loss": "log"}}
    assert "KEY=VALUE" in run("policy", "set", "digits", "hedge", "eta", expect=ExitCode.USAGE)


def test_policies_there_are_need_no_clipper_that_runs(run: CommandLine) -> None:
    told = run("policy")
    assert told.splitlines()[0].split() == ["POLICY", "LEARNS", "ABOUT"]
    assert {line.split()[0] for line in told.splitlines()[1:]} == POLICIES.keys()
    assert re.search(r"^epsilon +0\.05 +a number from 0 to 1 ", run("policy", "list", "epsilon_greedy"), re.MULTILINE)
    assert "did you mean 'hedge'?" in run("policy", "list", "hegde", expect=ExitCode.USAGE)
    listed = json.loads(run("policy", "list", "--json"))
    assert listed.keys() == POLICIES.keys()
    assert listed["epsilon_greedy"]["learns"] and not listed["majority"]["learns"]
    assert listed["epsilon_greedy"]["parameters"]["epsilon"]["expected"] == "a number from 0 to 1"


# -- feedback ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sent", "said"),
    [
        (("1", "--label", "7"), {"query_id": 1, "label": 7}, "joined\n"),
        (("1", "--label", "cat"), {"query_id": 1, "label": "cat"}, "joined\n"),
        (("1", "--label", '"7"'), {"query_id": 1, "label": "7"}, "joined\n"),
        (("2", "--reward", "0.5"), {"query_id": 2, "reward": 0.5}, "it counts once"),
        (
            ("--input", "[1, 2]", "--label", "7", "--context", "ann"),
            {"input": [1, 2], "label": 7, "context": "ann"},
            "joined: 1 model asked, 1 in the cache, without tree:1",
        ),
    ],
)
def test_feedback_is_sent_and_its_outcome_told(
    run: CommandLine, arguments: tuple[str, ...], sent: object, said: str
) -> None:
    assert said in run("feedback", "digits", *arguments)
    assert run.sent == sent


@pytest.mark.parametrize(
    ("query_id", "code"), [("3", ExitCode.NOT_FOUND), ("4", ExitCode.CONFLICT), ("5", ExitCode.CONFLICT)]
)
def test_feedback_that_is_refused_ends_with_the_code_of_its_reason(
    run: CommandLine, query_id: str, code: ExitCode
) -> None:
    assert run("feedback", "digits", query_id, "--label", "7", expect=code).startswith("Error: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give its QUERY_ID, or --input"),
        (("1", "--input", "[1]", "--label", "7"), "QUERY_ID or --input"),
        (("1",), "--label or --reward"),
        (("1", "--label", "7", "--reward", "1"), "--label or --reward"),
        (("1", "--reward", "1.5"), "--reward"),
        (("1", "--file", "-"), "--file stands alone: QUERY_ID"),
    ],
)
def test_feedback_that_makes_no_sense_is_a_usage_error(run: CommandLine, arguments: tuple[str, ...], said: str) -> None:
    assert said in run("feedback", "digits", *arguments, expect=ExitCode.USAGE)


def test_feedback_of_a_file_goes_on_behind_what_is_refused(run: CommandLine) -> None:
    lines = [
        '{"query_id": 1, "label": 7}',
        '{"query_id": 2, "label": 7}',
        "",
        '{"query_id": 3, "label": 7}',
        "[1]",
        "{",
    ]
    told = run("feedback", "digits", "--file", "-", stdin="\n".join(lines), expect=ExitCode.NOT_FOUND)
    assert "line 4: no query 3 is remembered" in told
    assert "line 5: no JSON object" in told and "line 6: no JSON" in told
    assert "1 joined, 1 duplicate, 3 refused" in told
    assert "3 lines of - refused" in told


def test_feedback_of_a_file_is_counted_in_json(run: CommandLine) -> None:
    (run.home / "labels.jsonl").write_text('{"query_id": 1, "label": 7}\n' * 3)
    told = run("feedback", "digits", "--file", str(run.home / "labels.jsonl"), "--json")
    assert json.loads(told) == {"joined": 3, "duplicate": 0, "refused": 0}


def test_feedback_file_that_cannot_be_read_is_not_found(run: CommandLine) -> None:
    assert "nowhere.jsonl" in run("feedback", "digits", "--file", "nowhere.jsonl", expect=ExitCode.NOT_FOUND)
    (run.home / "image.jsonl").write_bytes(b"\xff\xfe\n")
    assert "is not UTF-8 text" in run(
        "feedback", "digits", "--file", str(run.home / "image.jsonl"), expect=ExitCode.USAGE
    )


# -- values --------------------------------------------------------------------------------------------------------


@given(JSON)
def test_value_in_json_is_that_value(value: object) -> None:
    assert parse_value(json.dumps(value)) == value


@pytest.mark.parametrize("text", ["cat", "NaN", "-Infinity", "7 cats", "", "{"])
def test_value_that_is_no_json_is_text(text: str) -> None:
    assert parse_value(text) == text


def test_assignments_may_be_mixed_but_not_repeated() -> None:
    assert parse_assignments(["a=1", '{"b": [2]}', "c=x=y"], "it") == {"a": 1, "b": [2], "c": "x=y"}
    assert parse_assignments(["{}"], "it") == {}
    with pytest.raises(InvalidArgumentError, match="'a' is given twice"):
        parse_assignments(["a=1", '{"a": 2}'], "it")
    for wrong in ("a", "=1", "{a}"):
        with pytest.raises(InvalidArgumentError):
            parse_assignments([wrong], "it")


# -- plans ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"kind": "arms", "models": ["a:1"], "probabilities": [1.0]}, []),
        (
            {"kind": "cascade", "models": ["a:1", "b:1", "c:1"], "thresholds": [0.9, 2.0], "shadows": ["d:1", "e:1"]},
            ["asked in turn: a:1, below confidence 0.9 b:1, always c:1", "asked without answering: d:1, e:1"],
        ),
        ({"kind": "cascade", "models": ["a:1"], "thresholds": []}, ["asked in turn: a:1"]),
    ],
)
def test_plan_is_told_where_the_table_does_not(plan: dict[str, object], said: list[str]) -> None:
    assert planned(plan) == said


def test_completion_knows_the_policies_that_come_with_clipper() -> None:
    assert complete_policies("thom") == ["thompson"]
    assert complete_policies("") == list(POLICIES)
