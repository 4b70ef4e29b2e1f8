"""The validation of the estimators itself: worlds are what they say, and a wrong estimator would be found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.evaluation.__main__ import faults_of, main, render
from bench.evaluation.experiments import EXPERIMENTS
from bench.evaluation.measure import Result, measure, once
from bench.evaluation.worlds import World, simulate

BY_NAME = {world.name: world for world in EXPERIMENTS}
RESULT = Result("uniform", "ips", 400, 0.8, 0.001, 0.001, 0.02, 0.08, 0.95, 333.0)


def short(name: str, queries: int = 200) -> World:
    return replace(BY_NAME[name], queries=queries)


@pytest.mark.parametrize("name", BY_NAME)
def test_world_is_the_same_for_the_same_seed_and_another_for_another(name: str) -> None:
    world = short(name)
    assert once(world, 3) == once(world, 3)
    assert once(world, 3)[1] != once(world, 4)[1]


def test_world_logs_what_its_logger_drew() -> None:
    log, traffic = simulate(short("greedy", 400), 1)
    chosen = [row.decision.chosen for row in log.rows]
    assert len(chosen) == 400 and max(map(chosen.count, set(chosen))) > 300
    assert np.allclose(traffic.means, [0.9, 0.8, 0.6])


def test_world_of_users_draws_once_for_each() -> None:
    log, _ = simulate(short("users", 400), 1)
    arms_by_user: dict[str | None, set[str | None]] = {}
    for row in log.rows:
        arms_by_user.setdefault(row.decision.context, set()).add(row.decision.chosen)
    assert len(arms_by_user) == 200
    assert all(len(arms) == 1 for arms in arms_by_user.values())


def test_feedback_comes_late_where_the_world_says_so() -> None:
    log, _ = simulate(short("learner"), 1)
    assert all(row.feedback.at_us - row.decision.at_us > 100 * 50_000 for row in log.rows)


def test_measurement_counts_every_seed() -> None:
    told: list[int] = []
    results = measure(short("uniform"), 3, told.append)
    assert told == [1, 2, 3]
    assert [result.estimator for result in results] == ["ips", "snips", "doubly_robust"]
    assert all(result.seeds == 3 and result.truth == pytest.approx(0.8) for result in results)


def test_biased_estimate_and_narrow_interval_are_faults() -> None:
    assert faults_of(RESULT) == []
    assert "biased by +0.0100" in faults_of(replace(RESULT, bias=0.01))[0]
    assert faults_of(replace(RESULT, estimator="snips", bias=0.01)) == []  # promises only little bias
    assert "hold the truth in 80.0%" in faults_of(replace(RESULT, coverage=0.8))[0]


def test_table_has_a_row_for_each_estimator_and_names_the_world_once() -> None:
    table = render([RESULT, replace(RESULT, estimator="doubly_robust")])
    assert table.count("models drawn uniformly") == 1
    assert "| doubly robust | +0.0010 ± 0.0010 | 0.0200 | ± 0.0400 | 95.0% |" in table


def test_run_of_one_world_prints_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "5", "--only", "ensemble"]) == 0
    assert "ensemble: an ensemble's log" in capsys.readouterr().out
