"""The parts of the demo's second act: the file that breaks a model, who has the traffic, what is told at the end."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cloudpickle  # type: ignore[import-untyped]  # it ships no types
import numpy as np
import pytest
from rich.console import Console

from clipper import PolicyInfo
from clipper.demo.digits import Digits
from clipper.demo.learning import Phase, _sum_up
from clipper.demo.learning_table import phases_table, picture
from clipper.demo.preprocessing import UPRIGHT, UPSIDE_DOWN, with_pixel_order, write_pixel_order
from clipper.demo.replay import Replay, Score
from clipper.demo.traffic import Tick, Traffic, sparkline
from tests.support.canned_learning import POLICY, answer
from tests.support.canned_server import Answer, Asked, canned_server
from tests.support.processes import wait_until

MODELS = ("svm:1", "tree:1")


class FirstPixel:
    """A model that says what stands in the first pixel."""

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        return inputs[:, 0]


def test_container_follows_the_file_of_the_pixel_order(tmp_path: Path) -> None:
    path = tmp_path / "order.json"
    write_pixel_order(path, UPRIGHT)
    image = np.arange(64.0)[None, :]
    predict = with_pixel_order(FirstPixel(), path)
    assert predict(image) == [0]
    write_pixel_order(path, UPSIDE_DOWN)
    assert predict(image) == [63]
    write_pixel_order(path, UPRIGHT)
    assert predict(image) == [0]
    assert [file.name for file in tmp_path.iterdir()] == ["order.json"]


def test_model_with_a_pixel_order_is_shipped_without_the_demo(tmp_path: Path) -> None:
    write_pixel_order(tmp_path / "order.json", UPSIDE_DOWN)
    pickled = cloudpickle.dumps(with_pixel_order(None, tmp_path / "order.json"))
    opened = "import sys; sys.modules['clipper'] = None; import pickle; print(pickle.load(sys.stdin.buffer).__name__)"
    done = subprocess.run([sys.executable, "-c", opened], input=pickled, capture_output=True, check=True)
    assert done.stdout.strip() == b"predict"


# -- traffic -------------------------------------------------------------------------------------------------------


def test_traffic_is_that_of_the_last_second_and_begins_anew_with_a_change() -> None:
    score = Score()
    traffic = Traffic(score)
    for model in [*["svm:1"] * 6, "tree:1"]:
        score.answers_by_model[model] += 10
        score.correct_by_model[model] += 9
        traffic.tick()
    assert traffic.now == Tick(Counter({"svm:1": 30, "tree:1": 10}), Counter({"svm:1": 27, "tree:1": 9}))
    assert traffic.is_full and traffic.now.share_ratio("svm:1") == 0.75
    assert sparkline(traffic.ticks, "svm:1") == "██████▁"
    traffic.forget()
    assert not traffic.is_full and traffic.now.share_ratio("svm:1") == 0.0


def test_picture_and_phases_tell_each_model() -> None:
    traffic = Traffic(Score(answers_by_model=Counter({"svm:1": 8}), correct_by_model=Counter({"svm:1": 6})))
    traffic.tick()
    shown = printed(picture("digits", PolicyInfo.from_answer(POLICY), traffic, [("both are new", 0)], MODELS))
    assert "100%" in shown and "75%" in shown and "to 0.98" in shown
    assert "█  both are new" in shown and "tree:1" in shown
    table = printed(phases_table("digits", phases(broken_won_after_s=None), MODELS))
    assert "svm:1" in table and "1.5 s" in table and "-" in table


def phases(broken_won_after_s: float | None = 2.0) -> list[Phase]:
    svm = Tick(Counter({"svm:1": 9, "tree:1": 1}), Counter({"svm:1": 9}))
    tree = Tick(Counter({"svm:1": 1, "tree:1": 9}), Counter({"tree:1": 6}))
    return [
        Phase("both are new", "svm:1", [svm], 1.5, svm),
        Phase("svm is broken", "tree:1", [tree], broken_won_after_s, tree),
        Phase("svm is mended", "svm:1", [svm], 2.5, svm),
    ]


def printed(renderable: object) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(renderable)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def summed_up(score: Score, seen: list[Phase]) -> tuple[bool, str]:
    console = Console(file=io.StringIO(), width=400)
    failed = _sum_up(console, score, seen)
    return failed, console.file.getvalue()  # type: ignore[attr-defined]


def test_demo_fails_if_traffic_does_not_move_or_a_label_is_refused() -> None:
    good = Score(queries=30, feedback=Counter(joined=30))
    failed, said = summed_up(good, phases())
    assert not failed and "moved to tree:1 2.0 s after svm:1 was broken, and back 2.5 s" in said
    failed, said = summed_up(good, phases(broken_won_after_s=None))
    assert failed and "tree:1 (svm is broken)" in said
    for bad in (
        Score(queries=30, feedback=Counter(joined=29, unknown_query=1)),
        Score(queries=30, feedback=Counter(joined=30), failures=Counter(OSError=1)),
        Score(queries=30, feedback=Counter(joined=30), defaults=1),
    ):
        assert summed_up(bad, phases())[0]


# -- replay --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tells_labels", [True, False])
def test_replay_follows_each_answer_with_the_true_label(tells_labels: bool) -> None:
    pixels, labels = np.zeros((2, 64)), np.array([3, 4])

    def predict(_: Asked) -> Answer:
        return answer(200, {"query_id": 12, "output": 3, "default": False, "model": "svm:1"})

    with canned_server({"/a/predict": predict, "/a/update": answer(200, {"feedback": "joined"})}) as server:
        replay = Replay(server.url, Digits(pixels, labels, pixels, labels), ["a"], 1, tells_labels=tells_labels)
        replay.start()
        wait_until(lambda: replay.scores["a"].queries >= 4)
        replay.stop()
    score = replay.scores["a"]
    told = [json.loads(asked.body) for asked in server.asked if asked.path == "/a/update"]
    assert told[:2] == ([{"query_id": 12, "label": 3}, {"query_id": 12, "label": 4}] if tells_labels else [])
    assert score.feedback["joined"] == len(told) == (score.queries if tells_labels else 0)
    assert score.answers_by_model["svm:1"] == score.queries and not score.failures
    assert score.correct == score.correct_by_model["svm:1"] == (score.queries + 1) // 2
