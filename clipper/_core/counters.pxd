# cython: language_level=3
"""Counter blocks that the query path embeds; fields and their meaning are in counters.hpp."""

from libc.stdint cimport uint8_t, uint64_t

from clipper._core.histogram cimport CHistogram


cdef extern from "counters.hpp" namespace "clipper" nogil:
    enum class MissReason(uint8_t):
        Deadline
        Refused
        Unavailable
        ModelError
        LowConfidence

    enum class AnswerKind(uint8_t):
        Complete
        Decided
        Partial

    enum class Stage(uint8_t):
        Parse
        Queue
        BatchWait
        Rpc
        Compute
        Gather

    cppclass ApplicationCounters:
        uint64_t queries
        uint64_t predictions[3]     # [AnswerKind]
        uint64_t defaults[5]        # [MissReason]
        uint64_t errors[5]          # [MissReason]
        uint64_t selection_failures
        uint64_t late
        CHistogram latency_us
        void count_prediction(AnswerKind kind) noexcept
        void count_default(MissReason reason) noexcept
        void count_error(MissReason reason) noexcept

    cppclass ModelCounters:
        uint64_t tasks
        uint64_t batches
        uint64_t early_drops
        uint64_t requeues
        uint64_t failures
        uint64_t missing
        uint64_t not_admitted
        uint64_t sent_ahead
        uint64_t hedges
        uint64_t hedged_tasks
        uint64_t hedge_wins
        uint64_t shadow_tasks
        uint64_t shadow_refusals
        CHistogram batch_size
        CHistogram stage_us[6]      # [Stage]
        void record_stage(Stage stage, uint64_t duration_us) noexcept
        void record_stage(Stage stage, uint64_t duration_us, uint64_t times) noexcept


# Plain dicts for clipper.metrics.snapshot; called for /metrics only.
cdef dict export_application(const ApplicationCounters* source)
cdef dict export_model(const ModelCounters* source)
