"""Who is taken for broken: every limit at its edge, and time in which the judge himself was away counts for nobody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper._core.finish_model import FinishModel
from clipper._core.rpc_liveness import OVERDUE_RATIO, SLOWEST_RATIO, RpcLiveness
from clipper.errors import InvalidArgumentError

INTERVAL_US = 100_000
FLOOR_US, FIRST_US = 700_000, 10_000_000
LONGEST_US = 2**62
durations = st.integers(0, 2**64 - 1)
moments = st.integers(1, 10**9)


@given(durations, durations, st.booleans())
def test_batch_limit_is_never_below_its_floor_nor_below_what_was_seen_or_predicted(
    predicted_us: int, slowest_us: int, has_answered: bool
) -> None:
    limit_us = RpcLiveness().batch_limit(predicted_us, has_answered, slowest_us)
    assert limit_us >= (FLOOR_US if has_answered else FIRST_US)
    assert limit_us >= min(predicted_us, LONGEST_US // OVERDUE_RATIO) * OVERDUE_RATIO
    assert limit_us >= min(slowest_us, LONGEST_US // SLOWEST_RATIO) * SLOWEST_RATIO
    assert limit_us <= LONGEST_US


def test_batch_limit_grows_with_the_prediction_from_the_floor_on() -> None:
    liveness = RpcLiveness()
    assert liveness.batch_limit(FLOOR_US // OVERDUE_RATIO, True) == FLOOR_US
    assert liveness.batch_limit(FLOOR_US // OVERDUE_RATIO + 1, True) == FLOOR_US + OVERDUE_RATIO
    assert liveness.batch_limit(5_000_000, True) == OVERDUE_RATIO * 5_000_000  # a batch of 5 s is no failure
    assert liveness.batch_limit(0, False) == FIRST_US


@given(st.lists(st.integers(1, 3 * INTERVAL_US), min_size=1, max_size=60), st.data())
def test_elapsed_time_is_what_the_judge_was_there_for(steps: list[int], data: st.DataObject) -> None:
    """Against the obvious twin: cut the time into microseconds' ranges, and take off those it was late by."""
    liveness, now_us, absences = RpcLiveness(), 1, []
    liveness.begin_look(now_us)
    for step in steps:
        late_us = step - INTERVAL_US
        now_us += step
        liveness.begin_look(now_us)
        if late_us > 10_000:
            absences.append((now_us - late_us, now_us))
    since_us = data.draw(st.integers(1, now_us))
    absent_us = sum(max(0, end - max(begin, since_us)) for begin, end in absences)
    assert liveness.elapsed(since_us, now_us) == now_us - since_us - absent_us


@given(moments, moments, st.lists(st.integers(0, 10**9), max_size=200))
def test_elapsed_time_is_never_negative_nor_longer_than_the_clock_says(
    since_us: int, now_us: int, looks: list[int]
) -> None:
    liveness = RpcLiveness()
    for look in looks:
        liveness.begin_look(look)
    assert 0 <= liveness.elapsed(since_us, now_us) <= max(0, now_us - since_us)


def test_pause_of_the_whole_machine_makes_nobody_silent() -> None:
    liveness = RpcLiveness()
    for now_us in range(INTERVAL_US, 11 * INTERVAL_US, INTERVAL_US):
        liveness.begin_look(now_us)
    heard_us, woken_us = 950_000, 3_600_000_000
    liveness.begin_look(woken_us)
    assert liveness.elapsed(heard_us, woken_us) == 150_000  # until the look that should have been
    liveness.begin_look(woken_us + INTERVAL_US)
    assert liveness.elapsed(heard_us, woken_us + INTERVAL_US) == 250_000


@pytest.mark.parametrize("name", ["look_interval_us", "silence_limit_us", "overdue_floor_us", "first_batch_limit_us"])
def test_limit_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"{name} is 0"):
        RpcLiveness(**{name: 0})


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 10**7)), min_size=1, max_size=30), st.integers(1, 4096))
def test_longest_time_of_a_batch_is_never_below_the_predicted_one(batches: list[tuple[int, int]], size: int) -> None:
    model = FinishModel()
    assert model.longest(size) == 0
    for items, duration_us in batches:
        model.record(items, duration_us)
    assert model.longest(size) >= model.predict_us(size) - 1


def test_longest_time_allows_for_items_whose_price_nobody_has_seen() -> None:
    model = FinishModel()
    model.record(1, 1_000)
    assert (model.predict_us(64), model.longest(64)) == (1_000, 64_000)
