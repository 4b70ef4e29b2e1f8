"""Management's GET /metrics as a Prometheus server reads it."""

from __future__ import annotations

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from clipper.deploy.reconcile import ReplicaState
from clipper.management.version_tasks import DELETED, DEPLOYED, SCALED
from clipper.metrics.learning import ArmMetrics, LearningMetrics
from clipper.metrics.management import ManagementSnapshot, VersionMetrics, render_management
from clipper.metrics.monitoring import MonitoringMetrics, WatchedArm
from clipper.metrics.names import (
    MANAGED_STATES,
    MONITOR_EVENT_KINDS,
    OPERATIONS,
    POLICY_FAILURE_KINDS,
    Page,
    metrics_of,
)
from clipper.selection.state_cell import FAILURES
from clipper.types import ModelId

SNAPSHOT = ManagementSnapshot(
    revision=7,
    entries={"application": 1},
    workers={0: 6},
    operations={("deployed", "failed"): 2},
    actions={"start": 3, "stop": 1},
    versions={ModelId("svm", "1"): VersionMetrics(2, {"ready": 1}, failures=4, is_quarantined=True)},
    restarts={"frontend-0": 5},
    learning={
        "digits": LearningMetrics(
            outcomes={"folded": 9}, gaps=1, failures={"plan": 2}, plans=3, contexts=5, contexts_in_memory=4,
            contexts_lost=1, arms={"svm:1": ArmMetrics(7, 6, 4.5, 0.75, 0.7), "new:2": ArmMetrics()},
        )
    },
    store_failures={"write": 3},
    monitoring={
        "digits": MonitoringMetrics(
            {"svm:1": WatchedArm(9, 0.25, 0.1, True, 8, "psi", 0.5, True, True), "new:2": WatchedArm()}, {"degraded": 2}
        )
    },
)  # fmt: skip


def scrape(snapshot: ManagementSnapshot) -> dict[str, Family]:
    content_type, body = render_management(snapshot)
    assert content_type.startswith("text/plain")
    return {family.name: family for family in text_string_to_metric_families(body.decode())}


def values(families: dict[str, Family], name: str) -> dict[tuple[str, ...], float]:
    return {tuple(sample.labels.values()): sample.value for sample in families[name].samples}


def test_every_metric_of_management_is_exposed_with_its_type_help_and_labels() -> None:
    families = scrape(SNAPSHOT)
    table = metrics_of(Page.MANAGEMENT)
    assert {name for name in families if name.startswith("clipper_")} == {metric.name for metric in table}
    for metric in table:
        assert (families[metric.name].type, families[metric.name].documentation) == (metric.kind.value, metric.help)
        assert families[metric.name].samples, metric.name
        assert all(set(sample.labels) == set(metric.labels) for sample in families[metric.name].samples)


def test_counts_stand_under_their_labels_and_known_values_begin_at_zero() -> None:
    families = scrape(SNAPSHOT)
    operations = values(families, "clipper_version_operations")
    assert operations["deployed", "failed"] == 2 and operations["scaled", "done"] == 0
    assert values(families, "clipper_version_quarantined") == {("svm", "1"): 1}
    replicas = {s.labels["state"]: s.value for s in families["clipper_replicas"].samples}
    assert replicas == {state: float(state == "ready") for state in MANAGED_STATES}
    assert values(families, "clipper_process_restarts") == {("frontend-0",): 5}
    assert values(families, "clipper_worker_revision") == {("0",): 6}


def test_learning_stands_under_application_and_arm_and_what_is_not_known_has_no_sample() -> None:
    families = scrape(SNAPSHOT)
    outcomes = values(families, "clipper_learner_observations")
    assert outcomes["digits", "folded"] == 9 and outcomes["digits", "duplicate"] == 0
    assert values(families, "clipper_policy_failures")["digits", "plan"] == 2
    assert values(families, "clipper_arm_pulls") == {("digits", "svm", "1"): 7, ("digits", "new", "2"): 0}
    assert values(families, "clipper_arm_rewards")["digits", "svm", "1"] == 4.5
    assert values(families, "clipper_arm_share") == {("digits", "svm", "1"): 0.75}
    assert values(families, "clipper_arm_mean_reward") == {("digits", "svm", "1"): 0.7}
    assert values(families, "clipper_learner_store_failures") == {("read",): 0, ("write",): 3}


def test_label_values_of_the_table_are_those_of_the_code() -> None:
    assert tuple(state.value for state in ReplicaState) == MANAGED_STATES
    assert (DEPLOYED, SCALED, DELETED) == OPERATIONS
    assert FAILURES == POLICY_FAILURE_KINDS


def test_health_of_each_model_is_exposed_and_what_is_not_known_is_left_out() -> None:
    families = scrape(SNAPSHOT)
    svm, new = ("digits", "svm", "1"), ("digits", "new", "2")  # labels in the order of the alphabet
    assert values(families, "clipper_monitor_loss_ratio") == {svm: 0.25}
    assert values(families, "clipper_monitor_baseline_loss_ratio") == {svm: 0.1}
    assert values(families, "clipper_monitor_degraded") == {svm: 1, new: 0}
    assert values(families, "clipper_monitor_quarantined") == {svm: 1, new: 0}
    assert values(families, "clipper_monitor_output_distance") == {("digits", "psi", "svm", "1"): 0.5}
    events = values(families, "clipper_monitor_events")
    assert events["digits", "degraded"] == 2 and len(events) == len(MONITOR_EVENT_KINDS)
