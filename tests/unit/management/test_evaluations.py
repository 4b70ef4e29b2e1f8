"""Evaluations in processes of their own: what is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from clipper.config import ClipperConfig, ManagementConfig
from clipper.errors import UnavailableError, UnusableLogError
from clipper.management.evaluations import Evaluations

QUESTION = {"policy": {"name": "thompson"}}


@pytest.fixture
def log_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "logs" / "decisions"
    directory.mkdir(parents=True)
    (directory / "garbage.jsonl").write_text("no decision\n")
    return tmp_path


def test_log_that_is_none_is_refused_with_the_evaluations_own_error(log_dir: Path) -> None:
    with pytest.raises(UnusableLogError):
        asyncio.run(Evaluations(ClipperConfig(log_dir)).evaluate("garbage", QUESTION))


def test_second_evaluation_at_once_is_refused_and_a_later_one_is_not(log_dir: Path) -> None:
    async def ask() -> list[type]:
        evaluations = Evaluations(ClipperConfig(log_dir))
        asked = [evaluations.evaluate("garbage", QUESTION) for _ in range(2)]
        results = [*await asyncio.gather(*asked, return_exceptions=True)]
        results += await asyncio.gather(evaluations.evaluate("garbage", QUESTION), return_exceptions=True)
        return [type(result) for result in results]

    assert asyncio.run(ask()) == [UnusableLogError, UnavailableError, UnusableLogError]


def test_evaluation_beyond_its_limit_is_ended_and_says_which_limit(log_dir: Path) -> None:
    evaluations = Evaluations(ClipperConfig(log_dir, management=ManagementConfig(evaluation_limit_us=1)))
    with pytest.raises(UnavailableError, match=r"evaluation_limit_us=1\b"):
        asyncio.run(evaluations.evaluate("garbage", QUESTION))
