"""From a log to an answer: what is estimated, what is refused and what the reader is told."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from clipper.errors import InvalidArgumentError, UnusableLogError
from clipper.evaluation import Evaluation, ReadOptions, evaluate, read_log
from clipper.selection import POLICIES, make_policy
from tests.support.decision_logs import ARMS, alternating, asked, by_input, decision, feedback, write_log

GREEDY = {"name": "epsilon_greedy", "epsilon": 0.1}


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def evaluated(lines: Iterable[Mapping[str, Any]], policy: Any, **options: Any) -> Evaluation:
        log = read_log([write_log(tmp_path / "digits.jsonl", lines)], ReadOptions())
        return evaluate(log, make_policy(policy), **options)

    return evaluated


def refusal(run: Any, lines: Iterable[Mapping[str, Any]], policy: Any = "static") -> UnusableLogError:
    with pytest.raises(UnusableLogError) as raised:
        run(lines, policy)
    return raised.value


def test_each_estimator_finds_what_a_static_model_earns(run: Any) -> None:
    for model, reward in (("a", 1.0), ("b:1", 0.5)):
        found = run(alternating(400), {"name": "static", "model": model})
        for name, estimate in found.estimates.items():
            assert estimate.reward == pytest.approx(reward, abs=0.03), name
            assert estimate.low <= reward <= estimate.high
        assert found.effective_sample_size == pytest.approx(200)
    assert found.earned.reward == 0.75


def test_candidate_that_learns_ends_at_the_better_model(run: Any) -> None:
    found = run(alternating(400), GREEDY)
    assert found.shares["a:1"] > 0.9
    assert found.estimates["doubly_robust"].reward > 0.9
    assert found.differences["doubly_robust"].low > 0.0


def test_candidate_learns_only_from_feedback_that_had_come(run: Any) -> None:
    late = [
        {**line, "at_us": line["at_us"] + 10**9} if line["type"] == "feedback" else line for line in alternating(40)
    ]
    assert run(late, GREEDY).shares["a:1"] == pytest.approx(0.95)  # the first one, which nothing contradicts
    worse_first = [*alternating(400)]
    for line in worse_first:
        if line["type"] == "feedback":
            line["label"] = 15 - line["label"]
    assert run(worse_first, GREEDY).shares["b:1"] > 0.8


def test_candidate_with_a_plan_for_each_context_learns_each_apart(run: Any) -> None:
    lines = []
    for query_id in range(1, 401):
        chosen, context = ARMS[query_id % 2], ("ann", "bob")[query_id // 2 % 2]
        right = (chosen == "a:1") == (context == "ann")
        lines += [decision(query_id, chosen, context=context), feedback(query_id, label=7 if right else 8)]
    together, apart = run(lines, GREEDY), run(lines, GREEDY, is_per_context=True)
    assert together.estimates["snips"].reward < 0.7
    assert apart.estimates["snips"].reward > 0.9


def test_candidate_follows_when_models_are_linked_and_unlinked(run: Any) -> None:
    lines = alternating(100)
    for query_id in range(101, 201):
        chosen = ("a:1", "c:3")[query_id % 2]
        lines += [
            decision(query_id, chosen, arms=["a:1", "c:3"]),
            feedback(query_id, label=7 if chosen == "c:3" else 8),
        ]
    found = run(lines, {"name": "epsilon_greedy", "discount": 0.9})
    assert found.shares["c:3"] > 0.3
    assert sum(found.shares.values()) == pytest.approx(1.0)


def test_queries_with_one_model_linked_count_as_they_were(run: Any) -> None:
    lines = [*alternating(100)]
    for query_id in range(101, 201):
        lines += [decision(query_id, arms=["a:1"]), feedback(query_id)]
    assert run(lines, {"name": "static", "model": "b"}).mean_weight == pytest.approx(1.0)


def test_ensembles_log_tells_exactly_what_any_plan_of_its_members_earns(run: Any) -> None:
    lines = []
    for query_id in range(1, 101):
        outputs = {"a:1": 7, "b:1": 7 if query_id % 4 else 8}
        lines += [asked(query_id, outputs), feedback(query_id)]
    static = run(lines, {"name": "static", "model": "b"})
    assert static.estimates["ips"].reward == pytest.approx(0.75)
    assert static.effective_sample_size == 100
    majority = run(lines, "majority")
    assert majority.estimates["doubly_robust"].reward == 1.0
    assert majority.earned.reward == 1.0


def test_ensemble_below_its_least_confidence_gives_the_default_output_which_earns_nothing(run: Any) -> None:
    lines = []
    for query_id in range(1, 101):
        lines += [asked(query_id, {"a:1": 7, "b:1": 7 if query_id % 4 else 8}), feedback(query_id)]
    found = run(lines, {"name": "majority", "min_confidence": 0.8})
    assert found.estimates["ips"].reward == pytest.approx(0.75)
    assert any("25 answers would be below min_confidence" in remark for remark in found.remarks)


def test_answer_is_json_and_holds_all_of_it(run: Any) -> None:
    found = json.loads(json.dumps(run(alternating(40), GREEDY).to_json(), allow_nan=False))
    assert found["policy"]["name"] == "epsilon_greedy"
    assert set(found["estimates"]) == set(found["differences"]) == {"ips", "snips", "doubly_robust"}
    assert found["log"]["joined"] == found["queries"] == 40


def test_same_log_and_policy_give_the_same_answer(run: Any) -> None:
    assert run(alternating(100), GREEDY) == run(alternating(100), GREEDY)


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_of_clipper_can_be_evaluated_on_an_ensembles_log(run: Any, name: str) -> None:
    lines = []
    for query_id in range(1, 81):
        outputs = {"a:1": 7, "b:1": 7 if query_id % 2 else 8}
        lines += [asked(query_id, outputs, features=[query_id % 2, 1.0]), feedback(query_id)]
    found = run(lines, name)
    assert 0.5 <= found.estimates["ips"].reward <= 1.0
    assert found.mean_weight == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["thompson", "exp3_ix", "tsallis_inf", "ab_split", "ucb1"])
def test_policies_that_choose_one_model_can_be_evaluated_on_each_others_logs(run: Any, name: str) -> None:
    found = run(alternating(200), name)
    assert 0.5 - 0.1 <= found.estimates["snips"].reward <= 1.0
    assert sum(found.shares.values()) == pytest.approx(1.0)


# -- refused -----------------------------------------------------------------------------------------------------------


def test_log_of_a_policy_that_leaves_no_chance_is_refused_and_the_way_out_named(run: Any) -> None:
    certain: dict[str, Any] = {"probabilities": [1.0, 0.0], "policy": "static"}
    lines = [line for i in range(1, 21) for line in (decision(i, **certain), feedback(i))]
    error = refusal(run, lines)
    assert "20 of 20 decisions with feedback have the propensity 1 (policies of the log: static)" in error.message
    assert "epsilon_greedy" in error.hint and "--since" in error.hint


def test_log_with_one_certain_decision_is_refused(run: Any) -> None:
    error = refusal(run, [*alternating(20), decision(30, probabilities=[1.0, 0.0]), feedback(30)])
    assert "1 of 21 decisions" in error.message


def test_log_with_an_impossible_choice_is_refused(run: Any) -> None:
    error = refusal(run, [*alternating(20), decision(30, probabilities=[0.0, 1.0])])
    assert "propensity 0" in error.message


def test_candidate_that_would_choose_what_the_log_never_could_is_refused(run: Any) -> None:
    arms = ["a:1", "b:1", "c:1"]
    lines = []
    for line in alternating(100):
        extra = {"arms": arms, "probabilities": [0.5, 0.5, 0.0]} if line["type"] == "decision" else {}
        lines.append({**line, **extra})
    error = refusal(run, lines, {"name": "static", "model": "c"})
    assert "100.0%" in error.message and "propensity 0" in error.message
    assert run(lines, {"name": "static", "model": "b"}).estimates["snips"].reward == pytest.approx(0.5)


def test_log_without_decisions_is_refused(run: Any) -> None:
    assert "no decision" in refusal(run, []).message


def test_log_without_feedback_is_refused_and_told_how_to_give_some(run: Any) -> None:
    error = refusal(run, [decision(1), decision(2)])
    assert "2 decisions and no feedback" in error.message
    assert "/update" in error.hint


def test_log_with_feedback_about_other_decisions_is_refused(run: Any) -> None:
    assert "not in the log" in refusal(run, [decision(1), feedback(2)]).message


def test_log_with_feedback_that_its_loss_refuses_is_refused(tmp_path: Path) -> None:
    from clipper.selection import make_loss

    lines = [decision(1, output="cat"), feedback(1, label="dog")]
    log = read_log([write_log(tmp_path / "digits.jsonl", lines)], ReadOptions(loss=make_loss("squared")))
    with pytest.raises(UnusableLogError, match="none of the feedback gives a reward"):
        evaluate(log, make_policy("static"))


def test_log_of_a_cascade_is_refused(run: Any) -> None:
    error = refusal(run, [asked(1, {"a:1": 7}, kind="cascade"), feedback(1)])
    assert "cascade" in error.message


def test_log_of_one_model_is_refused(run: Any) -> None:
    error = refusal(run, [decision(1, arms=["a:1"]), feedback(1)])
    assert "only one model was linked (a:1)" in error.message


def test_ensemble_that_answered_early_is_refused_but_for_a_few_failures(run: Any) -> None:
    whole = [line for i in range(1, 100) for line in (asked(i, {"a:1": 7, "b:1": 8}), feedback(i))]
    failed = [asked(100, {"a:1": 7}), feedback(100)]
    assert run([*whole, *failed], {"name": "static", "model": "a"}).queries == 99
    error = refusal(run, [*whole[2:], *failed], "static")
    assert "1 of 99 queries" in error.message
    assert "observe_all_ratio" in error.hint


def test_ensemble_with_rewards_is_refused_for_they_are_about_the_answer(run: Any) -> None:
    error = refusal(run, [asked(1, {"a:1": 7, "b:1": 8}), feedback(1, reward=1.0)])
    assert "reward" in error.message


def test_ensemble_as_candidate_needs_a_log_of_every_output(run: Any) -> None:
    error = refusal(run, alternating(10), "majority")
    assert "one answer of several models' outputs" in error.message
    assert "ensemble" in error.hint


def test_log_whose_choices_contradict_its_probabilities_is_refused(run: Any) -> None:
    lines = [line for i in range(1, 200) for line in (decision(i, "a:1"), feedback(i))]
    assert "contradicts itself" in refusal(run, lines).message


def test_policy_that_names_a_model_of_no_log_is_refused_with_the_nearest(run: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="knows no model 'aa'") as raised:
        run(alternating(10), {"name": "static", "model": "aa"})
    assert "did you mean 'a'?" in raised.value.hint


def test_policy_that_reads_features_needs_a_log_with_features(run: Any) -> None:
    name = "tests.unit.evaluation.policies_for_replay:SideOfZero"
    assert "features" in refusal(run, alternating(10), name).message


def test_policy_that_plans_with_a_model_that_is_not_linked_is_refused(run: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="z:1, which was not linked"):
        run(alternating(10), "tests.unit.evaluation.policies_for_replay:Stray")


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1.0, 95.0])
def test_confidence_outside_nought_and_one_is_refused(run: Any, confidence: float) -> None:
    with pytest.raises(InvalidArgumentError, match="between 0 and 1"):
        run(alternating(10), GREEDY, confidence=confidence)


def test_log_of_a_policy_without_chance_is_evaluated_where_feedback_came_by_input(run: Any) -> None:
    lines = [line for i in range(1, 101) for line in (
        decision(i, probabilities=[1.0, 0.0]), by_input(i * 1_000 + 5, {"a:1": 7, "b:1": 7 if i % 4 else 8})
    )]  # fmt: skip
    found = run(lines, {"name": "static", "model": "b"})
    assert found.estimates["ips"].reward == 0.75
    assert (found.earned, found.differences["ips"], found.log["by_input"]) == (None, None, 100)


# -- remarks -----------------------------------------------------------------------------------------------------------


def test_small_effective_sample_is_remarked(run: Any) -> None:
    assert any("effective sample size is 5" in remark for remark in run(alternating(10), {"name": "static"}).remarks)
    assert not run(alternating(400), {"name": "static"}).remarks


def test_feedback_that_depends_on_the_model_is_remarked(run: Any) -> None:
    lines = [line for line in alternating(2_000) if line["type"] == "decision" or line["query_id"] % 8]
    lines = [line for line in lines if line["type"] == "decision" or line["query_id"] % 2 or line["query_id"] % 3]
    found = run(lines, {"name": "static", "model": "a"})
    assert any("mean weight" in remark for remark in found.remarks)
    assert found.estimates["snips"].reward == pytest.approx(1.0)


def test_few_contexts_are_remarked(run: Any) -> None:
    lines = [line if line["type"] == "feedback" else {**line, "context": "ann"} for line in alternating(400)]
    assert any("only 1 contexts" in remark for remark in run(lines, {"name": "static"}).remarks)


# -- features ----------------------------------------------------------------------------------------------------------


def test_policy_that_reads_features_is_replayed_on_them(run: Any) -> None:
    lines = []
    for query_id in range(1, 801):
        chosen, x = ARMS[query_id % 2], 1.0 if query_id // 2 % 2 else -1.0
        right = (chosen == "a:1") == (x > 0)
        lines += [decision(query_id, chosen, features=[x]), feedback(query_id, label=7 if right else 8)]
    found = run(lines, "tests.unit.evaluation.policies_for_replay:SideOfZero")
    assert found.earned.reward == pytest.approx(0.5)
    assert found.estimates["doubly_robust"].reward == pytest.approx(0.9, abs=0.05)
    assert found.shares["a:1"] == pytest.approx(0.5, abs=0.03)
