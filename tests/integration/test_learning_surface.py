"""Learning as a user sees it, on real processes: labels in, the better model out; from Python and from the shell."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from clipper import (
    Clipper,
    ContradictoryFeedbackError,
    FeedbackDisabledError,
    InvalidArgumentError,
    NotFoundError,
    PolicyInfo,
    UnknownQueryError,
)
from clipper.cli.app import app
from clipper.cli.exit_codes import ExitCode
from tests.support.processes import wait_until

pytestmark = pytest.mark.timeout(120)
SLO_US = 5_000_000
NEVER_ASKED = 1


OWN_POLICY = """\
from clipper.selection import ArmPolicy


class Last(ArmPolicy):
    \"\"\"Asks the model linked last, and raises when it is told to.\"\"\"

    name = "last"

    def learn(self, state, known, observation):
        if observation.label == "raise":
            raise RuntimeError("it was told to")

    def probabilities(self, state):
        return [float(index == len(state["arms"]) - 1) for index in range(len(state["arms"]))]
"""


@pytest.fixture(scope="module")
def clipper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clipper]:
    """Two models: ``zero`` says 0, ``one`` says 1; no application yet. Policies of a user's own are in its path."""
    own = tmp_path_factory.mktemp("own")
    (own / "own_policies.py").write_text(OWN_POLICY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(own)]))
        running = Clipper.start(query_port=0, management_port=0)
    with running:
        running.deploy_model("zero", 1, lambda inputs: [0 for _ in inputs])
        running.deploy_model("one", 1, lambda inputs: [1 for _ in inputs])
        yield running


def register(clipper: Clipper, name: str, policy: Any, **options: Any) -> str:
    clipper.register_application(name, "doubles", -1, SLO_US, policy=policy, **options)
    for model in ("zero", "one"):
        clipper.link_model_to_app(name, model)
    return name


def teach(clipper: Clipper, name: str, label: int, count: int, context: str | None = None) -> None:
    for number in range(count):
        answer = clipper.predict(name, [float(number)], context=context)
        assert clipper.feedback(name, answer, label=label).outcome == "joined"


def learned(clipper: Clipper, name: str, observations: int) -> PolicyInfo:
    wait_until(lambda: clipper.policy(name).observations >= observations)
    return clipper.policy(name)


def favourite(info: PolicyInfo) -> str:
    return max(info.arms, key=lambda arm: arm.share or 0.0).arm


def test_labels_make_the_better_model_win_and_a_new_policy_begins_anew(clipper: Clipper) -> None:
    name = register(clipper, "wins", "thompson")
    assert [arm.share for arm in clipper.policy(name).arms] == [0.5, 0.5]
    teach(clipper, name, 1, 60)
    info = learned(clipper, name, 60)
    assert favourite(info) == "one:1" and info.policy["name"] == "thompson"
    best = info.arms[1]
    assert best.mean_reward == 1.0 and best.interval_low is not None and 0.8 < best.interval_low < 1.0
    assert clipper.set_policy(name, {"name": "epsilon_greedy", "epsilon": 0.5}).observations == 0


def test_each_feedback_has_its_defined_answer(clipper: Clipper) -> None:
    name = register(clipper, "answers", "thompson")
    answer = clipper.predict(name, [1.0])
    assert clipper.feedback(name, answer, reward=0.5).outcome == "joined"
    assert clipper.feedback(name, answer.query_id, reward=0.5).outcome == "duplicate"
    with pytest.raises(ContradictoryFeedbackError, match="other feedback"):
        clipper.feedback(name, answer, reward=0.75)
    with pytest.raises(UnknownQueryError, match="query_id 1"):
        clipper.feedback(name, NEVER_ASKED, label=1)
    with pytest.raises(NotFoundError, match="'nowhere'"):
        clipper.feedback("nowhere", NEVER_ASKED, label=1)
    deaf = register(clipper, "deaf", "majority")
    with pytest.raises(FeedbackDisabledError, match="learning"):
        clipper.feedback(deaf, clipper.predict(deaf, [1.0]), label=1)
    assert learned(clipper, name, 1).observations == 1


def test_feedback_by_input_teaches_every_model(clipper: Clipper) -> None:
    name = register(clipper, "by-input", "hedge")
    clipper.predict(name, [1.0])
    first = clipper.feedback(name, input=[-2.0], label=1)
    assert (first.evaluated, first.cached, first.missing) == (2, 0, ())
    again = clipper.feedback(name, input=[-2.0], label=1)
    assert (again.evaluated, again.cached) == (0, 2)
    info = learned(clipper, name, 2)
    assert favourite(info) == "one:1" and [arm.mean_reward for arm in info.arms] == [0.0, 1.0]


def test_each_context_learns_its_own(clipper: Clipper) -> None:
    name = register(clipper, "for-each", "thompson", learning={"per_context": True})
    teach(clipper, name, 0, 40, context="ann")

    def is_bob_known() -> bool:  # who is new begins with what everybody believes, and unlearns it by what comes
        teach(clipper, name, 1, 20, context="bob & co")
        return favourite(clipper.policy(name, "bob & co")) == "one:1"

    wait_until(is_bob_known)
    assert learned(clipper, name, 60).contexts == 2
    assert favourite(clipper.policy(name, "ann")) == "zero:1"
    assert clipper.policy(name, "bob & co").context == "bob & co"
    assert clipper.policy(name, "nobody").context is None


def test_policy_that_does_not_exist_is_refused_with_the_nearest(clipper: Clipper) -> None:
    with pytest.raises(InvalidArgumentError, match="did you mean 'thompson'"):
        clipper.register_application("never", "doubles", -1, SLO_US, policy="thomson")
    with pytest.raises(InvalidArgumentError, match="did you mean 'floor'"):
        clipper.register_application("never", "doubles", -1, SLO_US, policy={"name": "thompson", "flor": 0.1})
    with pytest.raises(InvalidArgumentError, match="did you mean 'per_context'"):
        clipper.register_application("never", "doubles", -1, SLO_US, learning={"per_contexts": True})
    with pytest.raises(InvalidArgumentError, match="cannot be imported"):
        clipper.register_application("never", "doubles", -1, SLO_US, policy="nowhere_at_all:Policy")
    assert "never" not in {found.name for found in clipper.get_applications()}


def test_policy_of_ones_own_is_used_by_its_import_path_and_may_fail(clipper: Clipper) -> None:
    name = register(clipper, "own", "own_policies:Last")
    assert {clipper.predict(name, [float(number)]).output for number in range(5)} == {1}
    clipper.feedback(name, clipper.predict(name, [1.0]), label="raise")
    clipper.feedback(name, clipper.predict(name, [1.0]), label=1)
    wait_until(lambda: any("it was told to" in event["text"] for event in clipper.policy(name).events))
    assert clipper.predict(name, [1.0]).output == 1
    info = clipper.set_policy(name, "static")
    assert info.policy == {"name": "static"} and clipper.predict(name, [1.0]).output == 0


def test_commands_do_the_same(clipper: Clipper, tmp_path: Path) -> None:
    environment = {"CLIPPER_URL": clipper.management_url, "XDG_STATE_HOME": str(tmp_path), "CLIPPER_TOKEN": None}
    runner = CliRunner(env=environment)

    def run(*arguments: str, expect: ExitCode = ExitCode.OK) -> str:
        result = runner.invoke(app, arguments)
        assert result.exit_code == expect, (arguments, result.output, result.exception)
        return result.output

    learning = ("--policy", "thompson", "--learning", "loss=squared")
    run("apps", "register", "typed", "--slo", "5s", "--default", "-1", *learning)
    run("link", "typed", "zero")
    run("link", "typed", "one")
    assert 'loss="squared"' in run("apps", "show", "typed")
    answer = json.loads(run("predict", "typed", "[1]", "--json"))
    query_id = str(answer["query_id"])
    assert " answered by " in run("predict", "typed", "[1]")
    assert run("feedback", "typed", query_id, "--label", "1") == "joined\n"
    assert "counts once" in run("feedback", "typed", query_id, "--label", "1")
    run("feedback", "typed", query_id, "--label", "0", expect=ExitCode.CONFLICT)
    run("feedback", "typed", str(NEVER_ASKED), "--label", "0", expect=ExitCode.NOT_FOUND)
    assert run("feedback", "typed", "--input", "[-7]", "--label", "1").startswith("joined: 2 models asked")
    (tmp_path / "labels.jsonl").write_text('{"input": [-8], "label": 1}\n{"query_id": 1, "label": 1}\n')
    assert "1 joined, 1 refused" in run(
        "feedback", "typed", "--file", str(tmp_path / "labels.jsonl"), expect=ExitCode.NOT_FOUND
    )
    learned(clipper, "typed", 3)
    shown = run("policy", "show", "typed")
    assert "typed: thompson; learned from 3 observations" in shown and "one:1" in shown
    assert json.loads(run("policy", "show", "typed", "--json"))["plan"]["kind"] == "arms"
    assert "hedge (eta=0.5)" in run("policy", "set", "typed", "hedge", "eta=0.5")
    assert "did you mean 'hedge'" in run("policy", "set", "typed", "hegde", expect=ExitCode.USAGE)
