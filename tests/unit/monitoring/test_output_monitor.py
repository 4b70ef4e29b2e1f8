"""Distributions of outputs against their reference: labels, numbers and whatever else a model may say."""

from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper.monitoring.options import MonitorOptions
from clipper.monitoring.output_monitor import MAX_LABELS, OutputChange, OutputMonitor, value_of

WINDOW = 200
OPTIONS = MonitorOptions(output_window=WINDOW)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def feed(monitor: OutputMonitor, outputs: list[object]) -> list[OutputChange]:
    changes = [monitor.observe(output) for output in outputs]
    return [change for change in changes if change is not None]


def drawn(labels: list[object], weights: list[float], count: int, seed: int) -> list[object]:
    return random.Random(seed).choices(labels, weights, k=count)


def test_labels_that_shift_are_noticed_at_the_end_of_their_window_and_their_return_too() -> None:
    monitor = OutputMonitor(OPTIONS)
    assert feed(monitor, drawn(["cat", "dog"], [9, 1], 5 * WINDOW, 1)) == []
    assert monitor.measure == "psi"
    assert feed(monitor, drawn(["cat", "dog"], [4, 6], WINDOW - 1, 2)) == []
    (changed,) = feed(monitor, ["dog"])
    assert changed.has_changed and changed.measure == "psi" and changed.distance > changed.limit
    assert feed(monitor, drawn(["cat", "dog"], [4, 6], 2 * WINDOW, 3)) == []
    (returned,) = feed(monitor, drawn(["cat", "dog"], [9, 1], WINDOW, 4))
    assert not returned.has_changed


def test_numbers_that_shift_are_noticed() -> None:
    monitor, generator = OutputMonitor(OPTIONS), random.Random(1)
    assert feed(monitor, [generator.gauss(0, 1) for _ in range(6 * WINDOW)]) == []
    (changed,) = feed(monitor, [generator.gauss(0.8, 1) for _ in range(WINDOW)])
    assert changed.measure == "ks" and changed.distance > changed.limit >= OPTIONS.max_ks_ratio


def test_constant_output_of_a_model_that_has_broken_is_noticed() -> None:
    monitor, generator = OutputMonitor(OPTIONS), random.Random(1)
    feed(monitor, [generator.random() for _ in range(WINDOW)])
    (changed,) = feed(monitor, [0.0] * WINDOW)
    assert changed.distance == pytest.approx(1, abs=0.01)


def test_output_that_is_no_number_among_numbers_lies_beyond_all_of_them() -> None:
    monitor, generator = OutputMonitor(OPTIONS), random.Random(1)
    numbers: list[object] = [generator.random() for _ in range(WINDOW)]
    feed(monitor, numbers)
    half: list[object] = [None] * (WINDOW // 2)
    (changed,) = feed(monitor, [*numbers[: WINDOW // 2], *half])
    assert changed.distance == pytest.approx(0.5, abs=0.1)


def test_label_that_the_reference_did_not_have_is_noticed() -> None:
    monitor = OutputMonitor(OPTIONS)
    feed(monitor, drawn([0, 1, 2], [1, 1, 1], WINDOW, 1))
    assert monitor.measure == "psi"
    (changed,) = feed(monitor, drawn([0, 1, 2, 3], [1, 1, 1, 3], WINDOW, 2))
    assert changed.has_changed


def test_rare_labels_beyond_the_most_frequent_are_one_label() -> None:
    monitor = OutputMonitor(OPTIONS)
    texts: list[object] = [f"text {number}" for number in range(10 * MAX_LABELS)]
    feed(monitor, drawn(texts, [1.0] * len(texts), WINDOW, 1))
    assert feed(monitor, [f"other text {number}" for number in range(WINDOW)])[0].has_changed
    assert len(json.dumps(monitor.to_state())) < 200 * WINDOW


def test_same_distribution_is_hardly_ever_called_changed() -> None:
    generator = random.Random(7)
    labels = OutputMonitor(MonitorOptions(output_window=100))  # where chance reaches furthest
    numbers = OutputMonitor(MonitorOptions(output_window=100))
    for _ in range(300 * 100):
        assert labels.observe(generator.randrange(MAX_LABELS)) is None
        assert numbers.observe(generator.random()) is None


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (3, 3.0), (2.5, 2.5), (10**400, math.inf), (-(10**400), -math.inf), (True, "true"), (None, "null"),
        ("cat", '"cat"'), ([0.1, 0.7, 0.2], "[1]"), ([], "[]"), ([1, "a"], '[1, "a"]'),
        ({"label": "cat", "confidence": 0.9}, '"cat"'), ({"score": 1}, '{"score": 1}'),
        ({"label": {"label": 4}}, 4.0), ("x" * 1000, '"' + "x" * 199),
    ],
    ids=lambda value: repr(value)[:20],
)  # fmt: skip
def test_output_is_compared_by_what_it_says(output: object, expected: object) -> None:
    assert value_of(output, "label") == expected


@given(outputs=st.lists(JSON_VALUES, max_size=30), more=st.lists(JSON_VALUES, max_size=30))
def test_monitor_that_is_read_again_finds_the_same_in_whatever_comes(outputs: list[object], more: list[object]) -> None:
    options = MonitorOptions(output_window=10)
    monitor = OutputMonitor(options, "label")
    feed(monitor, outputs)
    again = OutputMonitor(options, "label")
    again.restore(json.loads(json.dumps(monitor.to_state(), allow_nan=False)))
    assert again.measure == monitor.measure
    assert feed(again, more) == feed(monitor, more)
    assert again.to_state() == monitor.to_state()


def test_reference_that_a_larger_window_needs_is_filled_up() -> None:
    small = OutputMonitor(MonitorOptions(output_window=100))
    feed(small, list(range(150)))
    large = OutputMonitor(MonitorOptions(output_window=120))
    large.restore(small.to_state())
    assert large.measure is None
    feed(large, list(range(20)))
    assert large.measure == "ks"


def test_monitor_that_resumes_begins_a_window_against_its_old_reference() -> None:
    monitor = OutputMonitor(OPTIONS)
    feed(monitor, ["cat"] * WINDOW)
    assert feed(monitor, ["dog"] * WINDOW)[0].has_changed
    monitor.resume()
    assert not monitor.has_changed
    assert feed(monitor, ["dog"] * WINDOW)[0].has_changed


def test_output_nested_deeper_than_can_be_written_is_a_label_like_another() -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    monitor = OutputMonitor(OPTIONS)
    feed(monitor, ["cat"] * WINDOW)
    (changed,) = feed(monitor, [nested] * WINDOW)
    assert changed.has_changed
    again = OutputMonitor(OPTIONS)
    again.restore(json.loads(json.dumps(monitor.to_state())))
    assert again.has_changed
