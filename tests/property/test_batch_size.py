"""What the AIMD controller promises, over affine models with and without noise, and over models that change."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from clipper._core.batch_size import DEFAULT_MAX_BATCH_SIZE, AimdBatchSize, FixedBatchSize
from clipper.errors import InvalidArgumentError
from tests.support.affine_model import AffineModel

SLO_US = 20_000
TARGET_US = SLO_US // 2
FULL_BATCHES = 30

# Models that meet the target with one item; the best size lies anywhere between 1 and the limit.
affine_models = st.builds(AffineModel, base_us=st.floats(0, 8_000), per_item_us=st.floats(1, 2_000))


def run(controller: AimdBatchSize, model: AffineModel, full_batches: int) -> list[int]:
    sizes = []
    for _ in range(full_batches):
        sizes.append(controller.next_size(0))
        controller.observe(sizes[-1], True, model.duration_us(sizes[-1]))
    return sizes


def is_close(size: float, best: int) -> bool:
    return abs(size - best) <= max(1, 0.1 * best)


@given(affine_models)
@example(AffineModel(0, 9_999))
@example(AffineModel(7_237, 21.4))
@example(AffineModel(0, 0.1))
@settings(max_examples=60, deadline=None)
def test_aimd_for_an_affine_model_is_close_in_under_thirty_full_batches_and_stays(model: AffineModel) -> None:
    best = model.largest_within(TARGET_US, DEFAULT_MAX_BATCH_SIZE)
    sizes = run(AimdBatchSize(SLO_US), model, FULL_BATCHES + 100)
    assert all(is_close(size, best) for size in sizes[FULL_BATCHES - 1 :])


@given(affine_models, st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_aimd_for_a_noisy_model_is_close_on_average_after_thirty_full_batches(model: AffineModel, seed: int) -> None:
    # Noise of 5% of the whole duration moves the crossing itself by 5% only where the items make up most of it.
    assume(model.base_us <= TARGET_US / 2)
    noisy = AffineModel(model.base_us, model.per_item_us, 0.05, seed)
    best = noisy.largest_within(TARGET_US, DEFAULT_MAX_BATCH_SIZE)
    sizes = run(AimdBatchSize(SLO_US), noisy, FULL_BATCHES + 100)[FULL_BATCHES - 1 :]
    assert is_close(sum(sizes) / len(sizes), best)


@given(affine_models, st.sampled_from([3.0, 1 / 3]))
@settings(max_examples=60, deadline=None)
def test_aimd_follows_a_model_that_changes_its_speed_threefold(model: AffineModel, ratio: float) -> None:
    changed = model.times(ratio)
    assume(changed.mean_us(1) <= TARGET_US)
    controller = AimdBatchSize(SLO_US)
    run(controller, model, 60)
    best = changed.largest_within(TARGET_US, DEFAULT_MAX_BATCH_SIZE)
    before = controller.next_size(0)
    sizes = run(controller, changed, 150)
    # 10% a batch downwards, doubling steps upwards, and one search around the new size.
    patience = 45 + int(max(best / before, before / best))
    assert all(is_close(size, best) for size in sizes[patience:]), (before, best, sizes)


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 10**9))), st.integers(0, 40))
def test_aimd_cap_is_unchanged_by_batches_that_were_not_full(batches: list[tuple[int, int]], warm_up: int) -> None:
    controller = AimdBatchSize(SLO_US)
    run(controller, AffineModel(1_000, 50), warm_up)
    before = controller.next_size(0)
    for size, duration_us in batches:
        controller.observe(size, False, duration_us)
    assert controller.next_size(0) == before


@given(st.lists(st.tuples(st.integers(0, 5_000), st.booleans(), st.integers(0, 2**64 - 1))), st.integers(1, 5_000))
def test_aimd_cap_stays_within_its_limits_whatever_it_observes(
    batches: list[tuple[int, bool, int]], max_size: int
) -> None:
    controller = AimdBatchSize(SLO_US, max_size=max_size)
    for size, was_full, duration_us in batches:
        controller.observe(size, was_full, duration_us)
        assert 1 <= controller.next_size(0) <= max_size


@given(st.integers(1, 30))
def test_aimd_recovers_from_one_hiccup_at_any_batch(at_batch: int) -> None:
    model = AffineModel(0, 20)
    controller = AimdBatchSize(SLO_US)
    run(controller, model, at_batch)
    size = controller.next_size(0)
    controller.observe(size, True, 50 * model.duration_us(size))
    assert all(is_close(size, 500) for size in run(controller, model, 60)[45:])


def test_aimd_doubles_to_the_first_violation_then_climbs_by_an_eighth_of_the_gap() -> None:
    sizes = run(AimdBatchSize(SLO_US), AffineModel(0, 50), 17)  # best size: 200
    assert sizes[:9] == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert sizes[9:15] == [128, 144, 160, 176, 192, 208]
    assert sizes[15:] == [208, 187]  # late by 4%: believed at the second time, then 10% off


def test_aimd_answer_of_a_batch_sent_before_the_back_off_changes_nothing() -> None:
    controller = AimdBatchSize(SLO_US)
    run(controller, AffineModel(0, 50), 9)
    assert controller.next_size(0) == 128
    controller.observe(256, True, 12_800)
    assert controller.next_size(0) == 128


@pytest.mark.parametrize(("overhead_us", "target_us"), [(0, 10_000), (4_000, 6_000), (9_000, 2_500), (10**9, 2_500)])
def test_aimd_target_is_half_the_slo_less_the_overhead_and_never_under_an_eighth(
    overhead_us: int, target_us: int
) -> None:
    assert AimdBatchSize(SLO_US, overhead_us=overhead_us).target_us == target_us


def test_aimd_cap_follows_a_changed_target() -> None:
    controller = AimdBatchSize(SLO_US)
    run(controller, AffineModel(0, 50), 60)
    controller.set_target(SLO_US, 5_000)
    assert all(is_close(size, 100) for size in run(controller, AffineModel(0, 50), 60)[40:])


def test_fixed_size_never_changes() -> None:
    controller = FixedBatchSize(17)
    controller.observe(17, True, 10**9)
    assert controller.next_size(0) == controller.size == 17


def test_controller_of_size_zero_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="got 0"):
        FixedBatchSize(0)
    with pytest.raises(InvalidArgumentError):
        AimdBatchSize(0)
    with pytest.raises(InvalidArgumentError):
        AimdBatchSize(1, max_size=0)
