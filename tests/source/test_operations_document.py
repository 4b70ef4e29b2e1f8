"""The Prometheus configuration in docs/operations.md: its rules are valid, and ask for metrics that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clipper.metrics.names import METRICS, Kind
from tests.support.document_tables import published_name
from tests.support.promtool import PROMTOOL, failure
from tests.support.repository import text_of

DOCUMENT = Path("docs/operations.md")


def yaml_blocks() -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```", text_of(DOCUMENT), re.DOTALL | re.MULTILINE)


def rules() -> str:
    (found,) = [block for block in yaml_blocks() if block.startswith("groups:")]
    return found


@pytest.mark.optional(*PROMTOOL)
def test_alert_rules_are_valid(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(rules())
    assert failure("check", "rules", "rules.yml", cwd=tmp_path) == ""


@pytest.mark.optional(*PROMTOOL)
def test_alerts_fire_when_they_should_and_only_then(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(rules())
    (tmp_path / "tests.yml").write_text(SCENARIO)
    assert failure("test", "rules", "tests.yml", cwd=tmp_path) == ""


SCENARIO = """
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'clipper_queries_total{application="good"}', values: '0+100x30'}
      - {series: 'clipper_default_answers_total{application="good",reason="deadline"}', values: '0x30'}
      - {series: 'clipper_queries_total{application="bad"}', values: '0+100x30'}
      - {series: 'clipper_default_answers_total{application="bad",reason="deadline"}', values: '0+50x30'}
      - {series: 'clipper_replicas_desired{model="m",version="1"}', values: '2x30'}
      - {series: 'clipper_replicas{model="m",version="1",state="ready"}', values: '1x30'}
      - {series: 'clipper_registry_revision', values: '7x30'}
      - {series: 'clipper_worker_revision{worker="0"}', values: '6x30'}
      - {series: 'clipper_worker_revision{worker="1"}', values: '7x30'}
      - {series: 'clipper_slo_seconds{application="good"}', values: '0.02x30'}
      - {series: 'clipper_query_latency_seconds_bucket{application="good",le="0.01"}', values: '0+10x30'}
      - {series: 'clipper_query_latency_seconds_bucket{application="good",le="+Inf"}', values: '0+10x30'}
      - {series: 'clipper_slo_seconds{application="bad"}', values: '0.02x30'}
      - {series: 'clipper_query_latency_seconds_bucket{application="bad",le="0.02"}', values: '0+5x30'}
      - {series: 'clipper_query_latency_seconds_bucket{application="bad",le="0.05"}', values: '0+10x30'}
      - {series: 'clipper_query_latency_seconds_bucket{application="bad",le="+Inf"}', values: '0+10x30'}
      - {series: 'clipper_monitor_degraded{application="good",model="m",version="1"}', values: '0x30'}
      - {series: 'clipper_monitor_degraded{application="bad",model="m",version="2"}', values: '0x10 1x20'}
      - {series: 'clipper_monitor_events_total{application="bad",kind="rolled_back"}', values: '0x10 1x20'}
      - {series: 'clipper_monitor_events_total{application="bad",kind="degraded"}', values: '0x10 1x20'}
    alert_rule_test:
      - eval_time: 20m
        alertname: ClipperModelDegraded
        exp_alerts:
          - exp_labels: {application: bad, model: m, version: "2"}
            exp_annotations: {summary: "m:2 is worse for bad than it was"}
      - eval_time: 20m
        alertname: ClipperModelTakenAway
        exp_alerts:
          - exp_labels: {application: bad, kind: rolled_back}
            exp_annotations: {summary: "A degraded model of bad was rolled_back"}
      - eval_time: 20m
        alertname: ClipperQueriesWithoutPrediction
        exp_alerts:
          - exp_labels: {application: bad}
            exp_annotations: {summary: "More than 1% of the queries of bad get no prediction"}
      - eval_time: 20m
        alertname: ClipperLatencyAboveObjective
        exp_alerts:
          - exp_labels: {application: bad}
            exp_annotations: {summary: "p99 of bad is above its objective"}
      - eval_time: 20m
        alertname: ClipperReplicasMissing
        exp_alerts:
          - exp_labels: {model: m, version: "1"}
            exp_annotations: {summary: "m:1 lacks 1 ready replicas"}
      - eval_time: 20m
        alertname: ClipperWorkerBehind
        exp_alerts:
          - exp_labels: {worker: "0"}
            exp_annotations: {summary: "Worker 0 does not serve the newest revision"}
      - eval_time: 20m
        alertname: ClipperVersionQuarantined
        exp_alerts: []
"""


def test_yaml_and_queries_name_metrics_that_are_published() -> None:
    names = {published_name(metric) for metric in METRICS}
    for metric in METRICS:
        if metric.kind is Kind.HISTOGRAM:
            names |= {f"{metric.name}_{part}" for part in ("bucket", "sum", "count")}
    fenced = "".join(re.findall(r"^```(?:yaml|text)\n(.*?)^```", text_of(DOCUMENT), re.DOTALL | re.MULTILINE))
    assert set(re.findall(r"\bclipper_[a-z_]+", fenced)) <= names


@pytest.mark.optional(*PROMTOOL)
def test_scrape_configuration_is_valid(tmp_path: Path) -> None:
    (found,) = [block for block in yaml_blocks() if block.startswith("scrape_configs:")]
    (tmp_path / "prometheus.yml").write_text(found)
    assert failure("check", "config", "prometheus.yml", cwd=tmp_path) == ""
