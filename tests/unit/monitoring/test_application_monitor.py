"""The arms of an application: who is watched, what a new version inherits, and the quarantine."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper.monitoring.application_monitor import MAX_ABSENT_ARMS, ApplicationMonitor
from clipper.monitoring.arm_monitor import DEGRADED, OUTPUTS_CHANGED
from clipper.monitoring.options import MonitorOptions

OPTIONS = MonitorOptions(reference=100, output_window=100)


def watching(*arms: str, options: MonitorOptions = OPTIONS) -> ApplicationMonitor:
    monitor = ApplicationMonitor(options)
    monitor.follow(arms)
    return monitor


def feed(monitor: ApplicationMonitor, arm: str, errors_in_ten: int, count: int) -> list[str]:
    kinds: list[str] = []
    for number in range(count):
        loss = 1.0 if number % 10 < errors_in_ten else 0.0
        kinds += [finding.kind for finding in monitor.on_losses({arm: loss})]
    return kinds


def test_only_the_arm_whose_loss_rose_is_degraded() -> None:
    monitor = watching("a:1", "b:1")
    assert feed(monitor, "a:1", 1, 500) + feed(monitor, "b:1", 4, 500) == []
    assert feed(monitor, "a:1", 7, 200) == [DEGRADED]
    assert list(monitor.degraded) == ["a:1"]
    first, second = monitor.healths()
    assert first.is_degraded and not second.is_degraded
    assert second.loss == pytest.approx(0.4) and second.loss_low < 0.4 < second.loss_high
    assert first.baseline_loss == pytest.approx(0.1, abs=0.01)


def test_new_version_that_is_worse_from_the_start_is_found_degraded() -> None:
    monitor = watching("a:1")
    feed(monitor, "a:1", 1, 500)
    monitor.follow(["a:2"])
    assert feed(monitor, "a:2", 7, 150) == [DEGRADED]


def test_model_of_another_name_inherits_nothing() -> None:
    monitor = watching("a:1")
    feed(monitor, "a:1", 1, 500)
    monitor.follow(["b:1"])
    assert feed(monitor, "b:1", 7, 500) == []


def test_version_that_comes_back_is_healthy_and_held_to_what_it_was() -> None:
    monitor = watching("a:1")
    feed(monitor, "a:1", 1, 500)
    feed(monitor, "a:1", 7, 150)
    monitor.follow(["a:2"])
    monitor.follow(["a:1"])
    assert monitor.degraded == {}
    assert feed(monitor, "a:1", 7, 150) == [DEGRADED]


def test_losses_of_arms_that_are_not_linked_and_of_no_number_are_left_out() -> None:
    monitor = watching("a:1")
    assert monitor.on_losses({"b:1": 1.0, "a:1": float("nan")}) == []
    assert monitor.healths()[0].observations == 0
    monitor.on_losses({"a:1": 7.0})
    assert monitor.healths()[0].loss == 1.0


@pytest.mark.parametrize(("act_on", "degraded"), [("loss", []), ("any", ["a:1"])])
def test_changed_outputs_are_told_and_acted_on_only_if_asked(act_on: str, degraded: list[str]) -> None:
    monitor = watching("a:1", options=MonitorOptions(output_window=100, act_on=act_on))
    assert monitor.on_outputs({"a:1": ["cat"] * 100, "z:9": ["dog"]}) == []
    (finding,) = monitor.on_outputs({"a:1": ["dog"] * 100})
    assert finding.kind == OUTPUTS_CHANGED and "PSI" in finding.text
    assert list(monitor.degraded) == degraded


@given(arms=st.lists(st.sampled_from("abcd"), min_size=1, unique=True), asked=st.lists(st.sampled_from("abcdz")))
def test_quarantine_never_takes_the_last_arm(arms: list[str], asked: list[str]) -> None:
    monitor = watching(*arms)
    for arm in asked:
        monitor.quarantine(arm, "why")
        assert len(monitor.quarantined) < len(arms) and set(monitor.quarantined) <= set(arms)


def test_quarantine_ends_with_its_version_and_when_nothing_else_is_left() -> None:
    monitor = watching("a:1", "b:1")
    monitor.quarantine("a:1", "why")
    monitor.follow(["a:2", "b:1"])
    assert monitor.quarantined == {}
    monitor.quarantine("b:1", "why")
    monitor.follow(["b:1"])
    assert monitor.quarantined == {}


@pytest.mark.parametrize(("forget", "found"), [(False, [DEGRADED]), (True, [])])
def test_lifted_arm_is_held_to_its_baseline_unless_that_is_forgotten(forget: bool, found: list[str]) -> None:
    monitor = watching("a:1", "b:1")
    feed(monitor, "a:1", 1, 500)
    feed(monitor, "a:1", 7, 200)
    monitor.quarantine("a:1", "why")
    assert monitor.lift("a:1", forget=forget) and not monitor.lift("a:1")
    assert monitor.quarantined == {} and monitor.degraded == {}
    assert feed(monitor, "a:1", 7, 400) == found


def test_absent_arms_are_bounded_and_the_latest_are_kept() -> None:
    monitor = watching("a:0")
    for version in range(1, MAX_ABSENT_ARMS + 5):
        monitor.follow([f"a:{version}"])
    kept = list(monitor.to_state()["monitors"])
    assert len(kept) == MAX_ABSENT_ARMS + 1
    assert kept[0] == "a:4" and kept[-1] == f"a:{MAX_ABSENT_ARMS + 4}"


@given(
    losses=st.lists(st.tuples(st.sampled_from(["a:1", "b:1"]), st.floats(0, 1)), max_size=60),
    more=st.lists(st.tuples(st.sampled_from(["a:1", "b:1"]), st.floats(0, 1)), max_size=60),
)
def test_monitor_that_is_read_again_is_the_same(losses: list[tuple[str, float]], more: list[tuple[str, float]]) -> None:
    options = MonitorOptions(reference=30, window=10, false_alarm_every=1_000)
    monitor = watching("a:1", "b:1", options=options)
    for arm, loss in losses:
        monitor.on_losses({arm: loss})
        monitor.on_outputs({arm: [loss]})
    monitor.quarantine("a:1", "why")
    again = ApplicationMonitor.from_state(options, "", json.loads(json.dumps(monitor.to_state())))
    monitor = ApplicationMonitor.from_state(options, "", json.loads(json.dumps(monitor.to_state())))
    assert again.arms == ("a:1", "b:1") and again.quarantined == {"a:1": "why"}
    for arm, loss in more:
        assert again.on_losses({arm: loss}) == monitor.on_losses({arm: loss})
    assert again.to_state() == monitor.to_state() and again.healths() == monitor.healths()


def test_state_of_another_version_is_refused() -> None:
    state = watching("a:1").to_state()
    with pytest.raises(ValueError, match="version is 7"):
        ApplicationMonitor.from_state(OPTIONS, "", {**state, "version": 7})
