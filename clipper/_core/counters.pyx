# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Exports of the counter blocks to plain Python values."""

from clipper._core.histogram cimport export_histogram

MISS_REASONS = ("deadline", "refused", "unavailable", "model_error", "low_confidence")
ANSWER_KINDS = ("complete", "decided", "partial")
STAGES = ("parse", "queue", "batch_wait", "rpc", "compute", "gather")


cdef dict export_application(const ApplicationCounters* source):
    return {
        "queries": source.queries,
        "predictions": {kind: source.predictions[i] for i, kind in enumerate(ANSWER_KINDS)},
        "defaults": {reason: source.defaults[i] for i, reason in enumerate(MISS_REASONS)},
        "errors": {reason: source.errors[i] for i, reason in enumerate(MISS_REASONS)},
        "selection_failures": source.selection_failures,
        "late": source.late,
        "latency_us": export_histogram(&source.latency_us),
    }


cdef dict export_model(const ModelCounters* source):
    return {
        "tasks": source.tasks,
        "batches": source.batches,
        "early_drops": source.early_drops,
        "requeues": source.requeues,
        "failures": source.failures,
        "missing": source.missing,
        "not_admitted": source.not_admitted,
        "sent_ahead": source.sent_ahead,
        "hedges": source.hedges,
        "hedged_tasks": source.hedged_tasks,
        "hedge_wins": source.hedge_wins,
        "shadow_tasks": source.shadow_tasks,
        "shadow_refusals": source.shadow_refusals,
        "batch_size": export_histogram(&source.batch_size),
        "stages_us": {stage: export_histogram(&source.stage_us[i]) for i, stage in enumerate(STAGES)},
    }


cdef class CounterProbe:
    """One block of each kind, driven from Python: what the tests hold against the published names."""

    cdef ApplicationCounters application
    cdef ModelCounters model

    def count_prediction(self, kind: int) -> None:
        self.application.count_prediction(<AnswerKind> <int> kind)

    def count_default(self, reason: int) -> None:
        self.application.count_default(<MissReason> <int> reason)

    def count_error(self, reason: int) -> None:
        self.application.count_error(<MissReason> <int> reason)

    def record_latency(self, duration_us: int) -> None:
        self.application.queries += 1
        self.application.latency_us.record(<uint64_t> duration_us)

    def record_stage(self, stage: int, duration_us: int, times: int = 1) -> None:
        self.model.record_stage(<Stage> <int> stage, <uint64_t> duration_us, <uint64_t> times)

    def record_batch(self, size: int) -> None:
        self.model.batches += 1
        self.model.tasks += <uint64_t> size
        self.model.batch_size.record(<uint64_t> size)

    def export_application(self) -> dict:
        return export_application(&self.application)

    def export_model(self) -> dict:
        return export_model(&self.model)
