"""What the controllers promise, over models with and without noise, models that change, and whatever else comes."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from clipper._core.batch_size import DEFAULT_MAX_BATCH_SIZE, AimdBatchSize, BatchSizeController, FixedBatchSize
from clipper._core.quantile_size import QuantileBatchSize
from clipper.errors import InvalidArgumentError
from tests.support.affine_model import AffineModel
from tests.support.batch_size_twins import AimdTwin, QuantileTwin, target_of

SLO_US = 20_000
TARGET_US = 15_000
TENS = 40
"""Full batches within which a size is found."""

Controller = AimdBatchSize | QuantileBatchSize
both = pytest.mark.parametrize("make", [AimdBatchSize, QuantileBatchSize], ids=["aimd", "quantile"])
Make = Callable[..., Controller]

# Models that meet the target with one item; the best size lies anywhere between 1 and the limit.
affine_models = st.builds(AffineModel, base_us=st.floats(0, 12_000), per_item_us=st.floats(1, 3_000))
batches = st.lists(st.tuples(st.integers(0, 5_000), st.booleans(), st.integers(0, 10**9)), max_size=60)


def run(controller: BatchSizeController, model: AffineModel, full_batches: int) -> list[int]:
    sizes = []
    for _ in range(full_batches):
        sizes.append(controller.next_size(0))
        controller.observe(sizes[-1], True, model.duration_us(sizes[-1]))
    return sizes


def mean(sizes: list[int]) -> float:
    return sum(sizes) / len(sizes)


def is_close(size: float, best: int) -> bool:
    return abs(size - best) <= max(1, 0.1 * best)


# -- any observation ---------------------------------------------------------------------------------------------------


@both
@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.booleans(), st.integers(0, 2**64 - 1))), st.integers(1, 5_000))
def test_cap_stays_within_its_limits_whatever_is_observed(
    make: Make, observed: list[tuple[int, bool, int]], max_size: int
) -> None:
    controller = make(SLO_US, max_size=max_size)
    for size, was_full, duration_us in observed:
        controller.observe(size, was_full, duration_us)
        assert 1 <= controller.next_size(0) <= max_size


@both
@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, TARGET_US))), st.integers(0, 40))
def test_cap_is_unchanged_by_good_batches_that_were_not_full(
    make: Make, observed: list[tuple[int, int]], warm_up: int
) -> None:
    controller = make(SLO_US)
    run(controller, AffineModel(1_000, 50), warm_up)
    before = controller.next_size(0)
    for size, duration_us in observed:
        controller.observe(size, False, duration_us)
    assert controller.next_size(0) == before


@given(batches, affine_models)
def test_aimd_does_what_its_twin_does(observed: list[tuple[int, bool, int]], model: AffineModel) -> None:
    controller, twin = AimdBatchSize(SLO_US), AimdTwin(SLO_US)
    for size, was_full, duration_us in [*observed, *([(0, True, 0)] * 40)]:
        at = size or twin.next_size()  # anything at all, then a model
        took_us = duration_us if size else model.duration_us(at)
        controller.observe(at, was_full, took_us)
        twin.observe(at, was_full, took_us)
        assert controller.next_size(0) == twin.next_size()


@given(batches, affine_models, st.integers(0, 2**32))
@settings(deadline=None)
def test_quantile_does_what_its_twin_does(observed: list[tuple[int, bool, int]], model: AffineModel, seed: int) -> None:
    noisy = AffineModel(model.base_us, model.per_item_us, 0.3, seed)
    controller, twin = QuantileBatchSize(SLO_US), QuantileTwin(SLO_US)
    for size, was_full, duration_us in [*observed, *([(0, True, 0)] * 40)]:
        at = size or controller.next_size(0)
        took_us = duration_us if size else noisy.duration_us(at)
        controller.observe(at, was_full, took_us)
        twin.observe(at, was_full, took_us)
        assert controller.ratio == pytest.approx(twin.ratio)
        assert controller.next_size(0) == pytest.approx(twin.next_size(), rel=1e-6, abs=1)
        assume(controller.next_size(0) == twin.next_size())  # a rounding apart: what follows may differ


@both
@given(affine_models, st.floats(1.1, 5))
@settings(max_examples=40, deadline=None)
def test_settled_size_is_no_larger_for_a_slower_model(make: Make, model: AffineModel, factor: float) -> None:
    fast, slow = (mean(run(make(SLO_US), of, 200)[100:]) for of in (model, model.times(factor)))
    assert slow <= fast * 1.05 + 1


@both
@given(affine_models, st.integers(5_000, 19_000))
@settings(max_examples=40, deadline=None)
def test_settled_size_is_no_larger_for_a_smaller_objective(make: Make, model: AffineModel, slo_us: int) -> None:
    large, small = (mean(run(make(of), model, 200)[100:]) for of in (SLO_US, slo_us))
    assert small <= large * 1.05 + 1


# -- finding the size --------------------------------------------------------------------------------------------------


@both
@given(affine_models)
@example(AffineModel(0, 14_999))
@example(AffineModel(7_237, 21.4))
@example(AffineModel(2_283, 4_703))
@example(AffineModel(0, 0.1))
@settings(max_examples=60, deadline=None)
def test_size_for_an_affine_model_is_close_within_tens_of_full_batches_and_stays(
    make: Make, model: AffineModel
) -> None:
    best = model.largest_within(TARGET_US, DEFAULT_MAX_BATCH_SIZE)
    sizes = run(make(SLO_US), model, TENS + 100)
    assert all(is_close(size, best) for size in sizes[TENS - 1 :])


@both
@given(affine_models, batches)
@settings(max_examples=60, deadline=None)
def test_size_is_found_again_from_any_state(
    make: Make, model: AffineModel, observed: list[tuple[int, bool, int]]
) -> None:
    controller = make(SLO_US)
    for size, was_full, duration_us in observed:
        controller.observe(size, was_full, duration_us)
    best = model.largest_within(TARGET_US, DEFAULT_MAX_BATCH_SIZE)
    sizes = run(controller, model, 260)
    assert is_close(mean(sizes[200:]), best), (best, sizes)


@both
@given(affine_models, st.sampled_from([0.05, 0.2]), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_size_for_a_noisy_model_stays_near_the_best(make: Make, model: AffineModel, noise: float, seed: int) -> None:
    # Noise of the whole duration moves the crossing itself by as much only where the items make up most of it.
    assume(model.base_us <= TARGET_US / 4)
    noisy = AffineModel(model.base_us, model.per_item_us, noise, seed)
    best = noisy.largest_within(TARGET_US, DEFAULT_MAX_BATCH_SIZE)
    sizes = run(make(SLO_US), noisy, 300)[100:]
    assert (1 - 2 * noise) * best - 1 <= mean(sizes) <= (1 + noise) * best + 1


@given(st.sampled_from([0.05, 0.1, 0.2]), st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_quantile_is_where_one_batch_in_ten_exceeds_it(noise: float, seed: int) -> None:
    controller, model = QuantileBatchSize(SLO_US), AffineModel(1_000, 20, noise, seed)
    run(controller, model, 300)
    # Uniform noise of +-noise: nine in ten are below 1 + 0.8 noise.
    assert controller.ratio == pytest.approx(1 + 0.8 * noise, abs=0.06)
    size = controller.next_size(0)
    assert controller.quantile_us(size) == pytest.approx((1 + 0.8 * noise) * model.mean_us(size), rel=0.12)


# -- models that change ------------------------------------------------------------------------------------------------


@both
@given(affine_models)
@settings(max_examples=60, deadline=None)
def test_threefold_slowdown_and_its_end_are_followed_within_tens_of_batches(make: Make, model: AffineModel) -> None:
    slow = model.times(3)
    assume(slow.mean_us(1) <= TARGET_US)
    controller = make(SLO_US)
    run(controller, model, 60)
    for of in (slow, model):
        best = of.largest_within(TARGET_US, DEFAULT_MAX_BATCH_SIZE)
        sizes = run(controller, of, 120)
        assert all(is_close(size, best) for size in sizes[60:]), (best, sizes)


@both
@given(affine_models, st.integers(8, 20), st.sampled_from([50_000, 200_000, 5_000_000]))
@settings(max_examples=60, deadline=None)
def test_pauses_do_not_collapse_the_size(make: Make, model: AffineModel, every: int, pause_us: int) -> None:
    controller = make(SLO_US)
    best = model.largest_within(TARGET_US, DEFAULT_MAX_BATCH_SIZE)
    sizes = run(controller, model, 60)
    for number in range(200):
        size = controller.next_size(0)
        sizes.append(size)
        controller.observe(size, True, model.duration_us(size) + (pause_us if number % every == 0 else 0))
    assert min(sizes[60:]) >= 0.75 * best - 1 and mean(sizes[60:]) >= 0.85 * best - 1


@both
@given(st.integers(1, 30))
@settings(deadline=None)
def test_one_hiccup_at_any_batch_is_recovered_from(make: Make, at_batch: int) -> None:
    model = AffineModel(0, 20)
    controller = make(SLO_US)
    run(controller, model, at_batch)
    size = controller.next_size(0)
    controller.observe(size, True, 50 * model.duration_us(size))
    assert all(is_close(size, 750) for size in run(controller, model, 80)[60:])


@both
def test_size_follows_a_changed_objective(make: Make) -> None:
    controller, model = make(SLO_US), AffineModel(0, 50)
    run(controller, model, 60)
    controller.set_target(SLO_US, 5_000)
    assert all(is_close(size, 200) for size in run(controller, model, 60)[40:])
    controller.set_target(2 * SLO_US, 0)
    assert all(is_close(size, 600) for size in run(controller, model, 80)[60:])


@both
def test_model_that_scatters_little_but_drifts_is_followed(make: Make) -> None:
    controller, drawn = make(SLO_US), random.Random(7)
    run(controller, AffineModel(500, 20), 60)
    for number in range(600):  # 0.2% a batch, to 2.2 times the time
        model = AffineModel(500, 20).times(1 + 0.002 * number)
        size = controller.next_size(0)
        controller.observe(size, True, round(model.mean_us(size) * drawn.uniform(0.98, 1.02)))
    assert controller.next_size(0) == pytest.approx(model.largest_within(TARGET_US, 4096), rel=0.15)


# -- each by itself ----------------------------------------------------------------------------------------------------


def test_aimd_doubles_to_the_first_violation_then_climbs_by_an_eighth_of_the_gap() -> None:
    sizes = run(AimdBatchSize(SLO_US), AffineModel(0, 50), 21)  # best size: 300
    assert sizes[:11] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 512]  # too late is believed at the second time
    assert sizes[11:15] == [256, 288, 320, 320]
    assert sizes[15:19] == [288, 292, 296, 300]  # 10% off


def test_aimd_answer_of_a_batch_sent_before_the_back_off_changes_nothing() -> None:
    controller = AimdBatchSize(SLO_US)
    run(controller, AffineModel(0, 50), 11)
    assert controller.next_size(0) == 256
    controller.observe(512, True, 25_600)
    assert controller.next_size(0) == 256


def test_aimd_believes_batches_that_were_not_full_when_they_take_too_long() -> None:
    # At 40 queries/s hardly a batch is full at four, and three at once are too many for the target.
    controller, model = AimdBatchSize(SLO_US), AffineModel(2_688, 4_719)
    run(controller, model, 2)
    assert controller.next_size(0) == 4
    for _ in range(2):
        controller.observe(3, False, model.duration_us(3))
    assert controller.next_size(0) == 2


def test_aimd_takes_a_doubt_back_only_for_a_good_batch_as_large() -> None:
    def after(*batches: tuple[int, int]) -> int:
        controller = AimdBatchSize(SLO_US)
        run(controller, AffineModel(0, 1), 10)
        before = controller.next_size(0)
        for size, duration_us in batches:
            controller.observe(size, False, duration_us)
        return controller.next_size(0) - before

    pause_us = 10 * TARGET_US
    assert after((300, pause_us)) == 0
    assert after((300, pause_us), (300, 100), (300, pause_us)) == 0
    assert after((300, pause_us), (301, 100), (1, pause_us)) == 0
    assert after((300, pause_us), (299, 100), (300, pause_us)) < 0


def test_aimd_looks_at_a_ceiling_that_holds_ever_more_seldom() -> None:
    sizes = run(AimdBatchSize(SLO_US), AffineModel(2_688, 4_719), 300)  # two items fit, three do not
    tries = [number for number, size in enumerate(sizes) if size > 2]
    between = [later - number - 1 for number, later in zip(tries, tries[1:], strict=False) if later - number > 1]
    assert between == sorted(between)
    assert between[0] < 10 and between[-1] > 25


def test_aimd_backs_off_by_more_where_a_batch_takes_far_too_long() -> None:
    controller = AimdBatchSize(SLO_US)
    run(controller, AffineModel(0, 50), 60)
    controller.observe(controller.next_size(0), True, 1)
    before = controller.next_size(0)
    run(controller, AffineModel(0, 150), 2)
    assert controller.next_size(0) == pytest.approx(before / 2, rel=0.05)


def test_quantile_learns_from_batches_that_were_not_full() -> None:
    controller = QuantileBatchSize(SLO_US)
    for size in [1, 5, 9, 2, 7] * 4:
        controller.observe(size, False, 1_000 + 100 * size)
    assert controller.quantile_us(50) == pytest.approx(6_000, rel=0.1)
    assert controller.next_size(0) == 1


@both
@pytest.mark.parametrize(("overhead_us", "target_us"), [(0, 15_000), (4_000, 11_000), (14_000, 2_500), (10**9, 2_500)])
def test_target_is_three_quarters_of_the_slo_less_the_overhead_and_never_under_an_eighth(
    make: Make, overhead_us: int, target_us: int
) -> None:
    assert make(SLO_US, overhead_us=overhead_us).target_us == target_us == target_of(SLO_US, overhead_us)


@both
def test_controller_without_an_objective_or_a_size_is_refused(make: Make) -> None:
    with pytest.raises(InvalidArgumentError, match="got 0 and"):
        make(0)
    with pytest.raises(InvalidArgumentError, match="and 0"):
        make(1, max_size=0)


def test_fixed_size_never_changes() -> None:
    controller = FixedBatchSize(17)
    controller.observe(17, True, 10**9)
    controller.set_target(1, 0)
    assert controller.next_size(0) == controller.size == 17


def test_fixed_size_of_zero_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="got 0"):
        FixedBatchSize(0)
