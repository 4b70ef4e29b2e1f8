"""The paper's figures in their quick form: the code that measures them runs, over HTTP, on a Clipper.

What they show is judged in the full form alone (``python -m bench.paper``); see docs/paper.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest

from bench.paper import figure_8
from bench.paper.contestants import CONTESTANTS
from bench.paper.failing_model import QUICK
from bench.paper.figures import FIGURES
from bench.paper.stage import Stage
from clipper import Clipper

# A dozen containers, some of which import scikit-learn: a few seconds each here, more beside other work.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Clipper.start(query_port=0, management_port=0) as clipper:
        yield Stage(clipper, is_full=False, tell=lambda _: None)


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_measured_with_right_answers_and_survives_json(stage: Stage, name: str) -> None:
    figure = FIGURES[name]
    result = figure.measure(stage)
    assert result.faults == []
    assert figure.tables(figure.from_json(asdict(result))) == figure.tables(result)
    if name == "figure-8":
        check_figure_8(result)


def check_figure_8(result: Any) -> None:
    assert [outcome.name for outcome in result.outcomes] == [contestant.name for contestant in CONTESTANTS]
    for outcome in result.outcomes:
        assert len(outcome.overall) == QUICK.seeds
        assert len(outcome.curve) == figure_8.CURVE_POINTS
        # Even so few queries tell whoever weighs all five from the worst of them.
        assert 0 < outcome.error.mean < 0.46
