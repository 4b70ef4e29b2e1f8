"""Plans of arms and of members over HTTP: who is asked, what is answered, and how a plan is swapped for another."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.data_path import DataPath, application, data_path, model
from tests.support.planned import MODELS, apply, link, plan_document, runtime_of, send_plans
from tests.support.puppet_container import PuppetContainer


@pytest.fixture
def path() -> Iterator[DataPath]:
    with data_path() as serving:
        yield serving


def serve(path: DataPath) -> None:
    for name in MODELS:
        path.serving(lambda inputs, name=name: [name] * len(inputs), name)  # type: ignore[misc]


def answer_all(puppets: list[PuppetContainer], outputs: list[Any]) -> None:
    for puppet, output in zip(puppets, outputs, strict=True):
        puppet.answer(puppet.take_batch(), [output])


# -- arms ------------------------------------------------------------------------------------------------------------


def test_arms_are_asked_by_their_probabilities_and_one_answers(path: DataPath) -> None:
    apply(path, plan_document(1, "arms", probabilities=[0.5, 0.0, 0.5]))
    serve(path)
    inputs = [[float(number)] for number in range(400)]
    answers = path.ask({"input_batch": inputs}).json["batch_predictions"]
    shares = Counter(answer["output"] for answer in answers)
    assert set(shares) == {"a", "c"}
    assert 120 < shares["a"] < 280  # 8 standard deviations
    assert all((answer["model"], answer["confidence"]) == (f"{answer['output']}:1", 1.0) for answer in answers)


def test_plan_is_swapped_between_two_queries_and_those_under_way_keep_theirs(path: DataPath) -> None:
    a, b, _ = link(path, plan_document(1, "arms", probabilities=[1.0, 0.0, 0.0]))
    first = path.begin({"input": [1.0]})
    batch = a.take_batch()
    send_plans(path, (None, plan_document(2, "arms", probabilities=[0.0, 1.0, 0.0])))
    second = path.begin({"input": [1.0]})
    b.answer(b.take_batch(), ["of b"])
    assert second.response().json["model"] == "b:1"
    a.answer(batch, ["of a"])
    assert first.response().json["model"] == "a:1"


def test_sticky_arms_give_a_context_the_same_model_each_time(path: DataPath) -> None:
    apply(path, plan_document(1, "arms", probabilities=[0.4, 0.3, 0.3], sticky=True), cache=False)
    serve(path)
    seen = {
        context: {path.ask({"input": [float(turn)], "context": context}).json["model"] for turn in range(5)}
        for context in map(str, range(12))
    }
    assert all(len(models) == 1 for models in seen.values())
    assert len(set.union(*seen.values())) > 1


# -- members ---------------------------------------------------------------------------------------------------------


def test_heavy_member_alone_decides_a_weighted_vote(path: DataPath) -> None:
    a, b, c = link(path, plan_document(1, "members", rule="weighted", weights=[0.2, 0.2, 0.6]))
    pending = path.begin({"input": [1.0]})
    c.answer(c.take_batch(), ["z"])
    answer = pending.response().json
    assert (answer["output"], answer["confidence"], answer["missing"]) == ("z", 0.6, ["a:1", "b:1"])
    answer_all([a, b], ["x", "x"])


def test_light_members_together_outvote_the_heavy_one(path: DataPath) -> None:
    puppets = link(path, plan_document(1, "members", rule="weighted", weights=[0.3, 0.3, 0.4]))
    pending = path.begin({"input": [1.0]})
    answer_all(puppets, ["x", "x", "z"])
    assert (pending.response().json["output"]) == "x"


def test_weighted_mean_counts_each_output_by_its_weight(path: DataPath) -> None:
    puppets = link(path, plan_document(1, "members", rule="mean", weights=[1, 1, 2]))
    pending = path.begin({"input": [1.0]})
    answer_all(puppets, [1.0, 3.0, 4.0])
    answer = pending.response().json
    assert (answer["output"], answer["confidence"]) == (3.0, 1.0)


@pytest.mark.parametrize("on_miss", ["default", "error"])
def test_answer_with_too_little_confidence_is_the_default_output_or_an_error(path: DataPath, on_miss: str) -> None:
    puppets = link(path, plan_document(1, "members", rule="majority", min_confidence=0.5), on_miss=on_miss)
    pending = path.begin({"input": [1.0]})
    answer_all(puppets, ["x", "y", "z"])
    response = pending.response()
    told = "The output has less confidence than the application asks for: 0.3333, expected at least 0.5"
    if on_miss == "default":
        assert (response.json["output"], response.json["default_explanation"]) == ("default", told)
    else:
        assert (response.status, response.error, response.json["cause"]) == (502, "low_confidence", told)
    figures = path.application_figures()
    assert figures["defaults" if on_miss == "default" else "errors"]["low_confidence"] == 1
    assert figures["predictions"] == {"complete": 0, "decided": 0, "partial": 0}


def test_answer_waits_for_the_member_that_may_still_give_it_confidence(path: DataPath) -> None:
    a, b, c = link(path, plan_document(1, "members", rule="majority", min_confidence=0.9))
    pending = path.begin({"input": [1.0]})
    answer_all([a, b], ["x", "x"])
    assert not pending.is_answered(0.05)
    answer_all([c], ["x"])
    assert (pending.response().json["confidence"]) == 1.0


def test_default_output_is_given_as_soon_as_no_output_can_have_confidence(path: DataPath) -> None:
    a, b, c = link(path, plan_document(1, "members", rule="majority", min_confidence=0.9))
    pending = path.begin({"input": [1.0]})
    answer_all([a, b], ["x", "y"])
    assert pending.response().json["default"] is True
    answer_all([c], ["x"])


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_member_that_is_still_queued_is_evaluated_if_all_are_to_be_observed(path: DataPath, ratio: float) -> None:
    a, b, c = link(path, plan_document(1, "members", rule="majority", observe_all_ratio=ratio))
    blocking = path.begin({"input": [0.0]}, "lone")
    blocker = c.take_batch()  # from here on its replica is busy
    pending = path.begin({"input": [1.0]})
    answer_all([a, b], ["x", "x"])
    assert pending.response().json["missing"] == ["c:1"]
    assert path.call(lambda: path.snapshots.find_model("c", "1").queue_depth) == ratio  # type: ignore[union-attr]
    c.answer(blocker, ["z"])
    blocking.response()
    if ratio:
        batch = c.take_batch()
        assert batch.inputs == [[1.0]]
        c.answer(batch, ["x"])
    path.wait_until(lambda: path.core.slots.in_use == 0)
    assert not c.has_batch()


# -- contexts --------------------------------------------------------------------------------------------------------


def arm(plan_id: int, name: str) -> dict[str, Any]:
    return plan_document(plan_id, "arms", [name], probabilities=[1.0])


def asked(path: DataPath, **body: Any) -> str:
    return str(path.ask({"input": [1.0], **body}).json["model"])


def test_context_with_a_plan_of_its_own_has_it_and_others_that_of_everybody(path: DataPath) -> None:
    apply(path, arm(1, "a"))
    serve(path)
    send_plans(path, ("user-17", arm(2, "b")), ("é", arm(3, "c")))
    told = [asked(path), asked(path, context="user-17"), asked(path, uid="é"), asked(path, context="user-18")]
    assert told == ["a:1", "b:1", "c:1", "a:1"]
    send_plans(path, ("user-17", None), (None, arm(4, "c")))
    assert (asked(path, context="user-17"), asked(path)) == ("c:1", "c:1")


def test_context_that_asked_least_lately_makes_room(path: DataPath) -> None:
    apply(path, arm(1, "a"))  # with at most three contexts
    serve(path)
    send_plans(path, *((name, arm(2, "b")) for name in ("x", "y", "z")))
    assert asked(path, context="x") == "b:1"
    send_plans(path, ("w", arm(3, "c")))
    assert [asked(path, context=name) for name in ("x", "y", "z", "w")] == ["b:1", "a:1", "b:1", "c:1"]


def test_plans_of_contexts_outlive_a_snapshot_with_the_same_models_and_go_with_their_model(path: DataPath) -> None:
    apply(path, arm(1, "a"))
    serve(path)
    send_plans(path, ("x", arm(2, "b")), ("y", arm(3, "c")))
    apply(path, arm(4, "a"))
    assert (asked(path, context="x"), asked(path, context="y")) == ("b:1", "c:1")
    apply(path, arm(5, "a"), models=["a", "b"])
    assert (asked(path, context="x"), asked(path, context="y")) == ("b:1", "a:1")
    apply(path, arm(6, "a"), policy={"name": "static", "model": "b"})
    assert asked(path, context="x") == "a:1", "the plan of another policy"


def test_context_of_an_application_that_keeps_none_is_of_no_importance(path: DataPath) -> None:
    apply(path, arm(1, "a"), learning=None)
    serve(path)
    send_plans(path, ("x", arm(2, "b")))
    assert asked(path, context="x") == "a:1"


# -- plans that do not fit -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (plan_document(9, "arms", ["gone"], probabilities=[1.0]), "names 'gone:1', which is not the current version"),
        (plan_document(9, "arms", ["a"], probabilities=[1.0], shadows=["gone:1"]), "names 'gone:1'"),
        (plan_document(9, "arms", ["a"], probabilities=[0.5]), "must sum to 1"),
        (plan_document(9, "stages"), "unknown plan kind 'stages'"),
        ({"plan_id": 9}, "no key 'kind'"),
        (plan_document(9, "features", policy="nobody", parameters={}), "nobody"),
    ],
)
def test_plan_that_does_not_fit_is_passed_over_and_the_one_in_force_stays(
    path: DataPath, plan: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    apply(path, arm(1, "b"))
    serve(path)
    with caplog.at_level(logging.WARNING, "clipper.selection"):
        send_plans(path, (None, plan), ("x", plan))
    assert said in caplog.text
    assert (asked(path), asked(path, context="x")) == ("b:1", "b:1")
    apply(path, plan)
    assert asked(path) == "b:1"


def test_snapshot_without_the_planned_model_falls_back_to_what_the_policy_says_at_first(path: DataPath) -> None:
    apply(path, arm(1, "b"))
    serve(path)
    apply(path, arm(1, "b"), models=["c"], policy={"name": "static"})
    assert asked(path) == "c:1"


def test_plans_of_an_application_that_is_gone_harm_nobody(path: DataPath) -> None:
    apply(path, arm(1, "a"))
    serve(path)
    send_plans(path, (None, arm(2, "b")), app="gone")
    assert asked(path) == "a:1"


def test_version_that_a_query_names_is_asked_whatever_the_plan_says(path: DataPath) -> None:
    path.apply([application(models=["a"], plan=arm(1, "a"))], [model("a", ["1", "2"])])
    path.serving(lambda inputs: ["old"] * len(inputs), "a", "1")
    path.serving(lambda inputs: ["other"] * len(inputs), "a", "2")
    assert path.ask({"input": [1.0], "version": "2"}).json["output"] == "other"
    assert runtime_of(path, "a").queue_depth == 0
