"""The one table of all metrics: name, type, labels, unit and help text.

Everything that publishes or reads a metric takes it from here, so that a dashboard, an alert and the code cannot
drift apart. Names follow the Prometheus conventions: base units (seconds, bytes), the unit as suffix, counters end
in ``_total`` (which the exposition adds; the table holds the name without it).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

REASONS = ("deadline", "refused", "unavailable", "model_error", "low_confidence")
"""Why an answer is the default output or an error; the order is that of ``MissReason`` in ``_core/counters.hpp``."""

ANSWER_KINDS = ("complete", "decided", "partial")
"""What of an ensemble is in a prediction; the order is that of ``AnswerKind`` in ``_core/counters.hpp``."""

STAGES = ("parse", "queue", "batch_wait", "rpc", "compute", "gather")
"""The stretches of a query's journey; the order is that of ``Stage`` in ``_core/counters.hpp``."""

FEEDBACK_OUTCOMES = (
    *("joined", "joined_by_input", "duplicate", "contradictory"),
    *("unknown", "disabled", "bad_request", "no_outputs"),
)
"""What became of feedback (docs/feedback.md); `clipper.frontend.feedback` counts them."""

REPLICA_STATES = ("loading", "warming", "ready", "draining", "suspect", "closed")


MANAGED_STATES = ("starting", "loading", "ready", "suspect", "stopping")
"""States of a replica as management sees it; `clipper.deploy.reconcile.ReplicaState`."""

MONITOR_EVENT_KINDS = (
    *("degraded", "recovered", "outputs_changed", "outputs_returned"),
    *("quarantined", "lifted", "rolled_back", "withheld", "failed"),
)
"""What the monitoring finds and does; the first four are those of `clipper.monitoring.arm_monitor.FINDINGS`."""

OPERATIONS = ("deployed", "scaled", "deleted")
OUTCOMES = ("done", "failed")


OBSERVATION_OUTCOMES = ("folded", "duplicate", "refused", "unscored")
"""What becomes of feedback in the learner; "unscored" counts outputs of folded ones that no loss could judge."""

POLICY_FAILURE_KINDS = ("init", "observe", "plan", "arms", "upgrade", "state", "context", "summary")
"""What a policy was doing; `clipper.selection.state_cell.FAILURES`."""

STORE_CALLS = ("read", "write")


class Kind(Enum):
    """Prometheus metric types."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Page(Enum):
    """Whose ``/metrics`` shows a metric."""

    QUERY = "query"
    MANAGEMENT = "management"
    BOTH = "both"


@dataclass(frozen=True)
class Metric:
    """One metric family.

    Parameters
    ----------
    unit : str
        Base unit, also the name's suffix: "seconds", "bytes", or "" for plain counts.
    page : Page
        Which process publishes it.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    unit: str
    help: str
    page: Page = Page.QUERY


def _metric(
    kind: Kind, name: str, labels: tuple[str, ...], unit: str, help_text: str, page: Page = Page.QUERY
) -> Metric:
    metric = Metric(f"clipper_{name}", kind, labels, unit, help_text, page)
    _TABLE.append(metric)
    return metric


_TABLE: list[Metric] = []
_C, _G, _H = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM
_APP = ("application",)
_MODEL = ("model", "version")

# -- every process that has a page -------------------------------------------------------------------------------
BUILD_INFO = _metric(_G, "build_info", ("version",), "", "1; the version of this process is the label.", Page.BOTH)

# -- HTTP --------------------------------------------------------------------------------------------------------
HTTP_REQUESTS = _metric(_C, "http_requests", (), "", "Requests read completely.")
HTTP_REFUSALS = _metric(_C, "http_refusals", ("reason",), "", "Requests refused before any model, by error code.")
HTTP_CONNECTIONS_OPEN = _metric(_G, "http_connections_open", (), "", "Connections open now.")
HTTP_CONNECTIONS = _metric(_C, "http_connections", (), "", "Connections accepted.")
HTTP_RECEIVED = _metric(_C, "http_received_bytes", (), "bytes", "Bytes read from clients.")
HTTP_SENT = _metric(_C, "http_sent_bytes", (), "bytes", "Bytes written to clients.")

# -- applications ------------------------------------------------------------------------------------------------
APP_QUERIES = _metric(_C, "queries", _APP, "", "Queries read; every input of a batch counts.")
APP_PREDICTIONS = _metric(_C, "predictions", (*_APP, "kind"), "", "Queries answered by models, late ones included.")
APP_DEFAULTS = _metric(_C, "default_answers", (*_APP, "reason"), "", "Queries answered with the default output.")
APP_ERRORS = _metric(_C, "error_answers", (*_APP, "reason"), "", 'Queries answered with an error (on_miss="error").')
APP_BAD_REQUESTS = _metric(_C, "bad_requests", _APP, "", "Requests refused for what their body says.")
APP_SELECTION_FAILURES = _metric(
    _C, "selection_failures", _APP, "", "Queries whose model was drawn alike because the policy could not select it."
)
APP_LATE = _metric(_C, "late_answers", _APP, "", "Queries answered by a model, but after their deadline.")
APP_LATENCY = _metric(_H, "query_latency_seconds", _APP, "seconds", "From a query's first byte to its answer's.")
APP_SLO = _metric(_G, "slo_seconds", _APP, "seconds", "The application's latency objective.")

# -- feedback ----------------------------------------------------------------------------------------------------
FEEDBACK = _metric(
    _C, "feedback", (*_APP, "outcome"), "", "Requests to an application's update path, by what came of it."
)
OBSERVATIONS_WAITING = _metric(
    _G, "observations_waiting", _APP, "", "Joined feedback that management has not in store yet."
)
OBSERVATIONS_LOST = _metric(
    _C, "observations_lost", _APP, "", "Joined feedback given up, because management was away for too long."
)
DECISIONS = _metric(_C, "decisions", _APP, "", "Decisions kept for feedback.")
DECISION_LINES = _metric(_C, "decision_lines", _APP, "", "Lines written to decision files.")
DECISION_LINES_LOST = _metric(
    _C, "decision_lines_lost", _APP, "", "Decisions and feedback that are in no decision file, but in its gaps."
)
DECISION_LOG_RECORDS = _metric(_G, "decision_log_records", (), "", "Decisions that feedback can be joined with now.")
DECISION_LOG_BYTES = _metric(_G, "decision_log_bytes", (), "bytes", "Bytes of these decisions now.")
DECISION_LOG_BUDGET = _metric(_G, "decision_log_budget_bytes", (), "bytes", "The most bytes of decisions.")
DECISION_LOG_EVICTIONS = _metric(
    _C, "decision_log_evictions", (), "", "Decisions pushed out of the log before their time, for want of room."
)
DECISION_LOG_REFUSALS = _metric(_C, "decision_log_refusals", (), "", "Decisions that found no room in the log.")

# -- model versions ----------------------------------------------------------------------------------------------
MODEL_TASKS = _metric(_C, "model_tasks", _MODEL, "", "Predict tasks queued: one query for one model.")
MODEL_BATCHES = _metric(_C, "model_batches", _MODEL, "", "Batches sent to containers.")
MODEL_BATCH_SIZE = _metric(_H, "model_batch_size", _MODEL, "", "Tasks in a batch.")
MODEL_QUEUE_DEPTH = _metric(_G, "model_queue_depth", _MODEL, "", "Tasks waiting now.")
MODEL_EARLY_DROPS = _metric(_C, "model_early_drops", _MODEL, "", "Tasks dropped because they would have been late.")
MODEL_REFUSED = _metric(_C, "model_refused", _MODEL, "", "Tasks refused because the queue or the slot pool was full.")
MODEL_NOT_ADMITTED = _metric(
    _C, "model_not_admitted", _MODEL, "", "Tasks refused because they were predicted to finish too late."
)
MODEL_REQUEUES = _metric(_C, "model_requeues", _MODEL, "", "Tasks queued again because their replica was lost.")
MODEL_FAILURES = _metric(_C, "model_failures", _MODEL, "", "Tasks whose evaluation failed in the model.")
MODEL_MISSING = _metric(_C, "model_missing", _MODEL, "", "Predictions of ensembles without this version's output.")
MODEL_SENT_AHEAD = _metric(_C, "model_batches_ahead", _MODEL, "", "Batches sent while their replica was busy.")
MODEL_HEDGES = _metric(_C, "model_hedged_batches", _MODEL, "", "Batches sent a second time because one was stuck.")
MODEL_HEDGED_TASKS = _metric(_C, "model_hedged_tasks", _MODEL, "", "Tasks in batches sent a second time.")
MODEL_HEDGE_WINS = _metric(_C, "model_hedge_wins", _MODEL, "", "Second batches answered before the stuck one.")
MODEL_SHADOW_TASKS = _metric(_C, "model_shadow_queries", _MODEL, "", "Queries that the version saw as a shadow.")
MODEL_SHADOW_REFUSALS = _metric(
    _C, "model_shadow_refusals", _MODEL, "", "Queries that a shadow did not see because there was no room."
)
MODEL_STAGES = _metric(_H, "stage_seconds", (*_MODEL, "stage"), "seconds", "Time spent in each stage of the journey.")
MODEL_REPLICAS = _metric(_G, "model_replicas", (*_MODEL, "state"), "", "Replicas by state.")
MODEL_CACHE_HITS = _metric(_C, "model_cache_hits", _MODEL, "", "Tasks answered from the prediction cache.")
MODEL_CACHE_JOINS = _metric(_C, "model_cache_joins", _MODEL, "", "Tasks that joined an evaluation already in flight.")
MODEL_CACHE_MISSES = _metric(_C, "model_cache_misses", _MODEL, "", "Tasks that the prediction cache did not hold.")

# -- prediction cache --------------------------------------------------------------------------------------------
CACHE_HITS = _metric(_C, "cache_hits", (), "", "Lookups answered from the cache.")
CACHE_JOINS = _metric(_C, "cache_joins", (), "", "Lookups that joined an evaluation already in flight.")
CACHE_MISSES = _metric(_C, "cache_misses", (), "", "Lookups that caused an evaluation.")
CACHE_EVICTIONS = _metric(_C, "cache_evictions", (), "", "Entries evicted to keep to the budget.")
CACHE_ENTRIES = _metric(_G, "cache_entries", (), "", "Entries resident now.")
CACHE_BYTES = _metric(_G, "cache_resident_bytes", (), "bytes", "Bytes resident now: keys, outputs and overhead.")
CACHE_BUDGET = _metric(_G, "cache_budget_bytes", (), "bytes", "The most bytes the cache may hold.")

# -- management --------------------------------------------------------------------------------------------------
_M = Page.MANAGEMENT
REGISTRY_REVISION = _metric(_G, "registry_revision", (), "", "Revision of the registry; each change raises it.", _M)
REGISTRY_ENTRIES = _metric(_G, "registry_entries", ("kind",), "", "Applications, models and versions there are.", _M)
WORKERS_CONNECTED = _metric(_G, "workers_connected", (), "", "Frontend workers that management reaches now.", _M)
WORKER_REVISION = _metric(_G, "worker_revision", ("worker",), "", "Revision that a frontend worker serves.", _M)
VERSION_OPERATIONS = _metric(
    _C, "version_operations", ("operation", "outcome"), "", "Operations on model versions that have ended.", _M
)
RECONCILE_ACTIONS = _metric(_C, "reconcile_actions", ("action",), "", "Replicas started and stopped.", _M)
REPLICA_FAILURES = _metric(_C, "replica_failures", _MODEL, "", "Replicas that ended unasked or got never ready.", _M)
QUARANTINED = _metric(_G, "version_quarantined", _MODEL, "", "1 if it failed too often and is not started again.", _M)
REPLICAS_DESIRED = _metric(_G, "replicas_desired", _MODEL, "", "Replicas that there should be.", _M)
REPLICAS = _metric(_G, "replicas", (*_MODEL, "state"), "", "Replica processes that there are, by state.", _M)
PROCESS_RESTARTS = _metric(_C, "process_restarts", ("process",), "", "Restarts by the supervisor since its start.", _M)

# -- learning ----------------------------------------------------------------------------------------------------
_ARM = ("application", "model", "version")
LEARNER_OBSERVATIONS = _metric(
    _C, "learner_observations", (*_APP, "outcome"), "", "Feedback that reached the learner, by what became of it.", _M
)
LEARNER_GAPS = _metric(_C, "learner_gaps", _APP, "", "Feedback that a worker had numbered, and that never came.", _M)
POLICY_FAILURES = _metric(
    _C, "policy_failures", (*_APP, "doing"), "", "Times that the policy raised or returned what cannot be.", _M
)
PLANS_PUBLISHED = _metric(_C, "plans_published", _APP, "", "Plans told to the workers, those of contexts included.", _M)
LEARNER_CONTEXTS = _metric(_G, "learner_contexts", _APP, "", "Contexts with a state of their own.", _M)
LEARNER_CONTEXTS_IN_MEMORY = _metric(
    _G, "learner_contexts_in_memory", _APP, "", "Those of them that are not only in the store.", _M
)
LEARNER_CONTEXTS_LOST = _metric(
    _C, "learner_contexts_lost", _APP, "", "Changes of contexts given up because the store took nothing.", _M
)
ARM_PULLS = _metric(_C, "arm_pulls", _ARM, "", "Feedback for queries that this version had a part in answering.", _M)
ARM_OBSERVATIONS = _metric(_C, "arm_observations", _ARM, "", "Feedback by which this version was judged.", _M)
ARM_REWARDS = _metric(_C, "arm_rewards", _ARM, "", "Sum of its rewards in these: 1 - loss, 0 to 1 each.", _M)
ARM_SHARE = _metric(_G, "arm_share", _ARM, "", "Its probability, or its weight in the vote, in the plan in force.", _M)
ARM_MEAN_REWARD = _metric(_G, "arm_mean_reward", _ARM, "", "Its mean reward of late, as the policy sees it.", _M)
LEARNER_STORE_FAILURES = _metric(
    _C, "learner_store_failures", ("call",), "", "Calls of the learners' store that failed: learning went on.", _M
)

# -- monitoring --------------------------------------------------------------------------------------------------
MONITOR_OBSERVATIONS = _metric(_C, "monitor_observations", _ARM, "", "Losses of this version that were watched.", _M)
MONITOR_LOSS = _metric(_G, "monitor_loss_ratio", _ARM, "", "Its mean loss in the window, 0 to 1.", _M)
MONITOR_BASELINE = _metric(_G, "monitor_baseline_loss_ratio", _ARM, "", "The mean loss that it is held to.", _M)
MONITOR_DEGRADED = _metric(_G, "monitor_degraded", _ARM, "", "1 while its loss is above what it was.", _M)
MONITOR_OUTPUTS = _metric(_C, "monitor_outputs", _ARM, "", "Sampled outputs of this version that were watched.", _M)
MONITOR_DISTANCE = _metric(
    _G, "monitor_output_distance", (*_ARM, "measure"), "", "PSI or KS of its latest outputs from their reference.", _M
)
MONITOR_OUTPUTS_CHANGED = _metric(
    _G, "monitor_outputs_changed", _ARM, "", "1 while that distance is above its limit.", _M
)
MONITOR_QUARANTINED = _metric(_G, "monitor_quarantined", _ARM, "", "1 while no plan uses this version.", _M)
MONITOR_EVENTS = _metric(_C, "monitor_events", (*_APP, "kind"), "", "What was found of models, or done about them.", _M)

METRICS: tuple[Metric, ...] = tuple(_TABLE)
"""Every metric, in the order of the exposition."""


def metrics_of(page: Page) -> tuple[Metric, ...]:
    """Return what the page of a frontend worker, or of management, shows."""
    return tuple(metric for metric in METRICS if metric.page in (page, Page.BOTH))
