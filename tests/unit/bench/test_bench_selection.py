"""The simulations of policies: worlds are what they say, plays are fair, and misses are told."""

from __future__ import annotations

import numpy as np
import pytest

from bench.document import DOCUMENTS, begin_mark
from bench.selection import figure8, regret
from bench.selection.__main__ import NAME, PARTS
from bench.selection.figures import Figure, figure_of
from bench.selection.parameter_tables import parameter_table
from bench.selection.play import Pace, play
from bench.selection.worlds import (
    PAPER_ERRORS,
    constrained_adversary_rates,
    figure8_rates,
    steady_rates,
    switching_rates,
    world_of,
)
from clipper.selection import POLICIES, make_policy


def test_world_errs_at_its_rates() -> None:
    world = world_of(figure8_rates(4_000, 1_000, 2_000), seed=1)
    seen = world.losses.mean(axis=0)
    assert seen == pytest.approx(world.rates.mean(axis=0), abs=0.04)
    assert world.losses[1_000:2_000, -1].mean() > 0.85


def test_world_with_common_difficulty_keeps_its_rates_and_shares_its_mistakes() -> None:
    rates = steady_rates((0.3, 0.3), 8_000)
    together, apart = (world_of(rates, 1, correlation, correlation) for correlation in (1.0, 0.0))
    assert together.losses.mean(axis=0) == pytest.approx([0.3, 0.3], abs=0.03)
    assert (together.losses[:, 0] == together.losses[:, 1]).all() and (
        together.outputs[:, 0] == together.outputs[:, 1]
    ).all()
    assert (apart.losses[:, 0] != apart.losses[:, 1]).mean() == pytest.approx(0.42, abs=0.03)


def test_worlds_that_change_do_so_when_they_say() -> None:
    assert switching_rates((0.1, 0.9), 4, 2).tolist() == [[0.1, 0.9], [0.1, 0.9], [0.9, 0.1], [0.9, 0.1]]
    rates = constrained_adversary_rates(0.125, 3, 200)
    assert np.allclose(rates[:, 1] - rates[:, 0], 0.125) and {0.0, 0.875} == set(rates[:, 0].tolist())


def test_static_play_errs_as_its_model_does() -> None:
    world = world_of(steady_rates(PAPER_ERRORS, 500), seed=2)
    played = play(make_policy({"name": "static", "model": "model-3"}), world, Pace(), seed=1)
    assert (played.losses == world.losses[:, 2]).all() and (played.shares[:, 2] == 1.0).all()


def test_majority_play_gives_the_most_frequent_output() -> None:
    world = world_of(steady_rates((0.2, 0.2, 0.2), 2_000), seed=2)
    played = play(make_policy("majority"), world, Pace(), seed=1)
    first, second, third = world.outputs.T
    # The second and third outvote the first only together; without a majority the one linked first answers.
    expected = np.where(second == third, second, first)
    assert (played.losses == (expected != world.labels)).all()


def test_late_feedback_is_folded_late() -> None:
    world = world_of(steady_rates((0.0, 1.0), 200), seed=2)
    shares = play(make_policy("thompson"), world, Pace(10, 100), seed=1).shares[:, 0]
    assert (shares[:110] == 0.5).all() and shares[-1] > 0.9


def test_figure_is_a_mean_with_students_interval() -> None:
    figure = figure_of([1.0, 2.0, 3.0])
    assert figure.mean == 2.0 and figure.half_width == pytest.approx(4.30 / 3**0.5)
    assert Figure(0.1275, 0.0012).text() == ".1275 ± .0012"


def test_default_above_its_bar_is_told() -> None:
    good, bad = Figure(0.12, 0.0), Figure(0.2, 0.0)
    row = figure8.Row({"name": "thompson"}, (good, good, good), good, bad, good)
    assert figure8.missed_bars([row]) == ["thompson, late feedback: 0.2000 is above 0.144"]


def test_regret_that_grows_too_fast_is_told() -> None:
    theory = regret.THEORIES[0]
    linear = tuple(Figure(float(horizon), 0.0) for horizon in regret.HORIZONS)
    told = regret.missed_shapes([regret.Curve(theory, linear, linear)])
    assert any("T^1.00" in line for line in told) and any("above its bound" in line for line in told)


def test_document_has_a_place_for_every_part_and_every_policy() -> None:
    text = (DOCUMENTS / "policies.md").read_text(encoding="utf-8")
    assert all(begin_mark(f"{NAME}: {part}") in text for part in PARTS)
    assert all(f"`{name}`" in text.split("## In the replica")[0] for name in POLICIES)


def test_table_of_parameters_in_the_document_is_that_of_the_code() -> None:
    text = (DOCUMENTS / "policies.md").read_text(encoding="utf-8")
    assert parameter_table() in text, "run: python -m bench.selection --parts parameters --write"
