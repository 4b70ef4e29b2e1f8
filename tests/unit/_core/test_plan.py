"""Plans: what they refuse, and that what is drawn is what was asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper._core.batch_queue import BatchQueue
from clipper._core.model_runtime import ModelRuntime
from clipper._core.plan import MAX_MEMBERS, Plan, context_word
from clipper._core.slot_pool import SlotPoolHandle

SLOTS = SlotPoolHandle(16, 1 << 16)
MODELS = [
    ModelRuntime(f"m{i}", "1", i + 1, BatchQueue([SLOTS], queue_id=i + 1), input_type="doubles") for i in range(8)
]
WORD = 2**64 - 1


def arms(probabilities: Sequence[float] | None, count: int | None = None) -> Plan:
    return Plan("arms", MODELS[: len(probabilities or ()) if count is None else count], probabilities=probabilities)


def normalised(weights: list[float]) -> list[float]:
    total = math.fsum(weights)
    return [weight / total for weight in weights]


WEIGHTS = st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=8).map(normalised)


def test_plan_keeps_its_models_in_link_order_and_joins_their_names() -> None:
    plan = Plan("members", MODELS[:3], rule="mean")
    assert plan.models == tuple(MODELS[:3])
    assert plan.members_label == b"m0:1+m1:1+m2:1"


def test_arms_without_probabilities_are_drawn_alike() -> None:
    plan = arms(None, 4)
    assert [plan.draw_arm(quarter << 62) for quarter in range(4)] == [(arm, 0.25) for arm in range(4)]


@given(WEIGHTS)
def test_propensities_are_the_probabilities_and_sum_to_one(probabilities: list[float]) -> None:
    plan = arms(probabilities)
    seen = dict(plan.draw_arm(int(point * WORD)) for point in [i / 4096 for i in range(4096)])
    for arm, propensity in seen.items():
        assert propensity == pytest.approx(probabilities[arm], abs=1e-9)
        assert propensity >= 0


@given(WEIGHTS, st.integers(0, WORD))
def test_arm_is_drawn_where_the_random_number_falls(probabilities: list[float], random: int) -> None:
    arm, _ = arms(probabilities).draw_arm(random)
    point = random / 2**64
    assert math.fsum(probabilities[:arm]) <= point + 1e-9
    assert point <= math.fsum(probabilities[: arm + 1]) + 1e-9


@pytest.mark.parametrize("random", [0, 1, 2**63, WORD])
def test_arm_of_no_probability_is_never_drawn(random: int) -> None:
    assert arms([0.0, 1.0, 0.0]).draw_arm(random) == (1, 1.0)


def test_probabilities_that_sum_to_a_little_more_than_one_give_no_negative_propensity() -> None:
    probabilities = [0.1 + 9e-11] * 10
    plan = Plan("arms", [*MODELS, *MODELS[:2]], probabilities=probabilities)
    assert all(plan.draw_arm(point * WORD // 100)[1] >= 0 for point in range(101))


@pytest.mark.parametrize(
    ("kind", "count", "options", "said"),
    [
        ("arms", 0, {}, "at least one model"),
        ("members", 0, {}, "at least one model"),
        ("stages", 1, {}, "unknown plan kind 'stages'"),
        ("members", 2, {"rule": ""}, "unknown combine rule ''"),
        ("members", 2, {"rule": "median"}, "unknown combine rule 'median'"),
        ("arms", 2, {"probabilities": [1.0]}, "2 arms need as many probabilities"),
        ("arms", 2, {"probabilities": [0.5, 0.6]}, "must sum to 1"),
        ("arms", 2, {"probabilities": [1.5, -0.5]}, "lies in 0..1"),
        ("arms", 2, {"probabilities": [math.nan, 1.0]}, "lies in 0..1"),
        ("members", 2, {"probabilities": [0.5, 0.5]}, "probabilities belongs to a plan of kind 'arms', not 'members'"),
        ("arms", 2, {"weights": [0.5, 0.5]}, "weights belongs to a plan of kind 'members', not 'arms'"),
        ("members", 2, {"sticky": True}, "sticky belongs to a plan of kind 'arms', not 'members'"),
        ("members", 2, {"rule": "weighted"}, "needs weights"),
        ("members", 2, {"rule": "majority", "weights": [1, 2]}, "takes no weights"),
        ("members", 2, {"rule": "weighted", "weights": [1]}, "2 members need as many weights, got 1"),
        ("members", 2, {"rule": "weighted", "weights": [1, -1]}, "finite number of at least 0, got -1"),
        ("members", 2, {"rule": "mean", "weights": [1, math.inf]}, "finite number of at least 0, got inf"),
        ("members", 2, {"rule": "mean", "weights": [math.nan, 1]}, "finite number of at least 0, got nan"),
        ("members", 2, {"rule": "weighted", "weights": [0.0, 0]}, "needs a weight above 0"),
        ("members", 2, {"min_confidence": 1.01}, "min_confidence lies in 0..1, got 1.01"),
        ("members", 2, {"observe_all_ratio": math.nan}, "observe_all_ratio lies in 0..1, got nan"),
        ("cascade", 3, {"thresholds": [0.5]}, "3 stages need 2 thresholds, got 1"),
        ("cascade", 2, {}, "2 stages need 1 thresholds, got 0"),
        ("cascade", 2, {"thresholds": [2.1]}, "threshold lies in 0..2.0, got 2.1"),
        ("cascade", 2, {"thresholds": [math.nan]}, "threshold lies in 0..2.0, got nan"),
        ("features", 2, {}, "needs a select function, got None"),
        ("features", 2, {"select": "linucb"}, "needs a select function, got 'linucb'"),
        ("arms", 2, {"select": len}, "select belongs to a plan of kind 'features'"),
    ],
)
def test_plan_that_makes_no_sense_is_refused(kind: str, count: int, options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Plan(kind, MODELS[:count], **options)  # type: ignore[arg-type]


def test_plan_that_asks_a_model_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"twice among the members m0:1\+m1:1\+m0:1"):
        Plan("members", [MODELS[0], MODELS[1], MODELS[0]])
    with pytest.raises(ValueError, match=r"twice among the stages m0:1\+m0:1"):
        Plan("cascade", [MODELS[0], MODELS[0]], thresholds=[0.5])
    for shadows in ([MODELS[0]], [MODELS[2], MODELS[2]]):
        with pytest.raises(ValueError, match=r"twice among m0:1\+m1:1 and the shadows"):
            Plan("members", MODELS[:2], shadows=shadows)


def test_last_arm_of_no_probability_gets_nothing_that_rounding_left() -> None:
    tenths = [0.1] * 7 + [0.3 - 1e-10, 0.0]
    plan = Plan("arms", [*MODELS, MODELS[0]], probabilities=tenths)
    assert plan.draw_arm(WORD)[0] == 7
    assert math.fsum(dict([plan.draw_arm(point * WORD // 1000) for point in range(1001)]).values()) == pytest.approx(1)


@given(st.text(max_size=20))
def test_sticky_word_of_a_context_is_the_draw_that_policies_define(context: str) -> None:
    word = 0xCBF29CE484222325
    for byte in context.encode():
        word = (word ^ byte) * 0x100000001B3 % 2**64
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ word >> 27) * 0x94D049BB133111EB % 2**64
    assert context_word(context) == word ^ word >> 31


def test_plan_of_too_many_models_is_refused() -> None:
    with pytest.raises(ValueError, match=f"at most {MAX_MEMBERS}"):
        Plan("members", MODELS * (MAX_MEMBERS // len(MODELS)) + MODELS[:1])
    with pytest.raises(ValueError, match=f"at most {MAX_MEMBERS} models, got {MAX_MEMBERS} and 1 shadows"):
        Plan("arms", MODELS * (MAX_MEMBERS // len(MODELS)), shadows=MODELS[:1])
