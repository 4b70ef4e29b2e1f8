"""What the prediction of a batch's duration promises."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipper._core.finish_model import FinishModel
from clipper.errors import InvalidArgumentError
from tests.support.affine_model import AffineModel

sizes = st.integers(1, 4096)
durations_us = st.integers(0, 2**64 - 1)
affine_models = st.builds(AffineModel, base_us=st.floats(0, 20_000), per_item_us=st.floats(0, 1_000))


def learn(model: FinishModel, truth: AffineModel, batch_sizes: list[int]) -> None:
    for size in batch_sizes:
        model.record(size, truth.duration_us(size))


def mixed_sizes(count: int, seed: int = 1) -> list[int]:
    return [2 ** random.Random(seed + i).randrange(9) for i in range(count)]


def test_model_before_any_observation_is_optimistic() -> None:
    model = FinishModel()
    model.record(0, 10_000)
    assert (model.base_us, model.per_item_us, model.predict_us(100)) == (0, 0.0, 0)


@given(st.lists(st.tuples(sizes, durations_us), max_size=60), sizes)
def test_prediction_is_never_negative_and_never_shrinks_with_size(batches: list[tuple[int, int]], size: int) -> None:
    model = FinishModel()
    for batch_size, duration_us in batches:
        model.record(batch_size, duration_us)
        assert model.per_item_us >= 0
        assert 0 <= model.predict_us(size) <= model.predict_us(size + 1)


@given(affine_models)
@settings(max_examples=60)
def test_prediction_for_an_affine_model_is_exact_after_batches_of_mixed_sizes(truth: AffineModel) -> None:
    model = FinishModel()
    learn(model, truth, mixed_sizes(60))
    for size in (1, 16, 256):
        assert model.predict_us(size) == pytest.approx(truth.mean_us(size), rel=0.02, abs=30)


@given(affine_models, sizes)
def test_prediction_from_equal_sizes_is_exact_there(truth: AffineModel, size: int) -> None:
    model = FinishModel()
    learn(model, truth, [size] * 50)
    assert model.predict_us(size) == pytest.approx(truth.mean_us(size), rel=0.01, abs=3)


def test_prediction_after_single_queries_assumes_no_slope_that_nobody_measured() -> None:
    model = FinishModel()
    learn(model, AffineModel(1_000, 1), [1] * 50)
    assert model.predict_us(256) == pytest.approx(1_001, abs=2)


def test_slope_outlives_a_long_run_of_equal_sizes() -> None:
    model = FinishModel()
    learn(model, AffineModel(2_000, 20), mixed_sizes(50) + [64] * 500)
    assert model.predict_us(256) == pytest.approx(2_000 + 256 * 20, rel=0.05)


@given(affine_models, st.integers(2, 30), st.integers(10, 10_000))
@settings(max_examples=60)
def test_one_giant_outlier_is_forgotten_within_a_few_batches(truth: AffineModel, at_batch: int, factor: int) -> None:
    model = FinishModel()
    learn(model, truth, [32] * at_batch)
    model.record(32, factor * 1_000 + factor * truth.duration_us(32))
    assert model.predict_us(32) <= 3 * truth.mean_us(32) + 250
    learn(model, truth, [32] * 8)
    assert model.predict_us(32) == pytest.approx(truth.mean_us(32), rel=0.5, abs=100)


def test_slow_first_batch_is_forgotten_at_the_second() -> None:
    model = FinishModel()
    model.record(1, 2_000_000)  # imports, page faults, a cold cache
    model.record(1, 1_000)
    assert model.predict_us(1) == pytest.approx(1_000, rel=0.01)


@given(affine_models, st.sampled_from([0.05, 1 / 3, 3.0, 20.0]))
@settings(max_examples=60)
def test_changed_speed_is_followed_in_a_few_batches(truth: AffineModel, ratio: float) -> None:
    model = FinishModel()
    learn(model, truth, mixed_sizes(60))
    changed = truth.times(ratio)
    learn(model, changed, mixed_sizes(30, seed=500))
    for size in (1, 16, 256):
        assert model.predict_us(size) == pytest.approx(changed.mean_us(size), rel=0.3, abs=400)


@pytest.mark.parametrize("forget_ratio", [0.0, 1.0, -0.1, float("nan")])
def test_forget_ratio_outside_its_range_is_refused(forget_ratio: float) -> None:
    with pytest.raises(InvalidArgumentError, match="forget_ratio"):
        FinishModel(forget_ratio=forget_ratio)
