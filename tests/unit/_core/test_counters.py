"""The counter blocks of the core and the published names speak of the same things."""

from __future__ import annotations

from clipper._core.counters import ANSWER_KINDS, MISS_REASONS, STAGES, CounterProbe
from clipper.metrics import names
from clipper.metrics.snapshot import ApplicationMetrics, ModelMetrics


def test_reasons_and_stages_of_the_core_are_the_published_ones() -> None:
    assert MISS_REASONS == names.REASONS
    assert STAGES == names.STAGES
    assert ANSWER_KINDS == names.ANSWER_KINDS


def test_application_counts_arrive_in_the_snapshot_under_their_reason() -> None:
    probe = CounterProbe()
    probe.record_latency(1_000)
    for index in range(len(MISS_REASONS)):
        for _ in range(index + 1):
            probe.count_default(index)
        probe.count_error(index)
    for index in range(len(ANSWER_KINDS)):
        for _ in range(index + 5):
            probe.count_prediction(index)
    metrics = ApplicationMetrics.from_core("digits", 20_000, probe.export_application())
    assert metrics.defaults == {
        "deadline": 1, "refused": 2, "unavailable": 3, "model_error": 4, "low_confidence": 5,
    }  # fmt: skip
    assert set(metrics.errors.values()) == {1}
    assert metrics.predictions == {"complete": 5, "decided": 6, "partial": 7}
    assert metrics.queries == metrics.latency_us.count == 1
    assert metrics.latency_us.max == 1_000


def test_model_counts_arrive_in_the_snapshot_under_their_stage() -> None:
    probe = CounterProbe()
    probe.record_batch(7)
    for index in range(len(STAGES)):
        probe.record_stage(index, 100 + index, 7)
    metrics = ModelMetrics.from_core("svm", "1", 3, {"ready": 1}, probe.export_model())
    assert {stage: snapshot.max for stage, snapshot in metrics.stages_us.items()} == {
        stage: 100 + index for index, stage in enumerate(STAGES)
    }
    assert (metrics.tasks, metrics.batches, metrics.batch_size.max, metrics.queue_depth) == (7, 1, 7, 3)
