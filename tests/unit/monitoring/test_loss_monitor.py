"""A loss that rises, stays, comes back; with either detector."""

from __future__ import annotations

import json
import random

import pytest

from clipper.monitoring.loss_monitor import LossChange, LossMonitor
from clipper.monitoring.options import MonitorOptions

RIVER = pytest.mark.optional("river", "pip install 'clipper[monitoring]'")
DETECTORS = ["page_hinkley", pytest.param("adwin", marks=RIVER)]


def feed(monitor: LossMonitor, mean: float, count: int, seed: int = 0) -> list[LossChange]:
    random_value = random.Random(seed).random
    changes = [monitor.observe(1.0 if random_value() < mean else 0.0) for _ in range(count)]
    return [change for change in changes if change is not None]


@pytest.mark.parametrize("detector", DETECTORS)
def test_loss_that_rises_and_falls_is_found_degraded_and_recovered(detector: str) -> None:
    monitor = LossMonitor(MonitorOptions(detector=detector))
    assert feed(monitor, 0.1, 1_000, seed=1) == [] and not monitor.is_degraded
    (risen,) = feed(monitor, 0.5, 300, seed=2)
    assert risen.has_risen and monitor.is_degraded
    assert risen.before == pytest.approx(0.1, abs=0.05) and risen.now > 0.3
    assert feed(monitor, 0.5, 1_000, seed=3) == []
    (fallen,) = feed(monitor, 0.1, 500, seed=4)
    assert not fallen.has_risen and not monitor.is_degraded
    assert feed(monitor, 0.1, 1_000, seed=5) == []


@pytest.mark.parametrize("detector", DETECTORS)
def test_loss_that_falls_below_its_baseline_is_no_finding(detector: str) -> None:
    monitor = LossMonitor(MonitorOptions(detector=detector))
    assert feed(monitor, 0.5, 600, seed=1) == []
    assert feed(monitor, 0.1, 1_500, seed=2) == []
    assert not monitor.is_degraded


def test_loss_that_comes_half_way_back_stays_degraded() -> None:
    monitor = LossMonitor(MonitorOptions())
    feed(monitor, 0.1, 2_000, seed=1)
    feed(monitor, 0.8, 300, seed=2)
    assert feed(monitor, 0.4, 2_000, seed=3) == [] and monitor.is_degraded
    assert monitor.rise is not None and monitor.rise[1] == pytest.approx(0.4, abs=0.15)
    (fallen,) = feed(monitor, 0.1, 1_000, seed=4)
    assert not fallen.has_risen


@pytest.mark.parametrize("detector", DETECTORS)
def test_nothing_is_said_before_the_reference_is_full(detector: str) -> None:
    monitor = LossMonitor(MonitorOptions(detector=detector, reference=100))
    for _ in range(99):
        monitor.observe(0.0)
    assert not monitor.is_ready
    monitor.observe(0.0)
    assert monitor.is_ready


def test_new_version_is_held_to_what_the_one_before_it_achieved() -> None:
    monitor = LossMonitor(MonitorOptions(reference=200), inherited=(100_000, 10_000.0))
    assert monitor.is_ready and monitor.baseline == (200, 20.0)
    (risen,) = feed(monitor, 0.6, 150, seed=1)
    assert risen.before == pytest.approx(0.1, abs=0.03)


def test_inherited_baseline_that_is_not_whole_is_filled_up() -> None:
    monitor = LossMonitor(MonitorOptions(reference=200), inherited=(150, 15.0))
    assert not monitor.is_ready
    feed(monitor, 0.1, 50)
    assert monitor.is_ready


def test_arm_that_resumes_is_held_to_its_old_baseline() -> None:
    monitor = LossMonitor(MonitorOptions())
    feed(monitor, 0.1, 1_000, seed=1)
    feed(monitor, 0.7, 200, seed=2)
    assert monitor.is_degraded
    monitor.resume()
    assert not monitor.is_degraded and len(monitor.window) == 0 and monitor.is_ready
    (risen,) = feed(monitor, 0.7, 200, seed=3)
    assert risen.before == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("stages", [[(0.1, 50)], [(0.1, 700)], [(0.1, 700), (0.7, 400)]], ids=["new", "well", "bad"])
def test_monitor_that_is_read_again_finds_the_same(detector: str, stages: list[tuple[float, int]]) -> None:
    options = MonitorOptions(detector=detector)
    monitor = LossMonitor(options)
    for seed, (mean, count) in enumerate(stages):
        feed(monitor, mean, count, seed)
    again = LossMonitor(options)
    again.restore(json.loads(json.dumps(monitor.to_state())))
    assert again.is_degraded == monitor.is_degraded and again.is_ready == monitor.is_ready
    assert again.window.mean == monitor.window.mean and again.baseline == monitor.baseline
    ahead = 0.1 if monitor.is_degraded else 0.7
    assert bool(feed(again, ahead, 1_000, 9)) == bool(feed(monitor, ahead, 1_000, 9))


@RIVER
def test_monitor_goes_on_when_its_detector_is_changed() -> None:
    monitor = LossMonitor(MonitorOptions())
    feed(monitor, 0.1, 700)
    for options in (MonitorOptions(detector="adwin"), MonitorOptions()):
        state = monitor.to_state()
        monitor = LossMonitor(options)
        monitor.restore(state)
        assert monitor.is_ready
    assert [change.has_risen for change in feed(monitor, 0.7, 300)] == [True]
