"""Ensembles with a member that is late, fails or is away: when they answer, what they say, what becomes of the rest.

A query that a test expects to be answered early has an objective that is never reached in a test that passes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support import gather_twin
from tests.support.data_path import DataPath, application, data_path, model
from tests.support.puppet_container import PuppetContainer

MODELS = ("a", "b", "c")
SOON_US = 60_000  # an objective that is reached


@pytest.fixture
def path() -> Iterator[DataPath]:
    with data_path() as serving:
        yield serving


def link(path: DataPath, policy: str = "majority", **changes: Any) -> list[PuppetContainer]:
    alone = application("alone", models=["c"])  # shares its model with the ensemble
    ensemble = application(models=MODELS, policy={"name": policy}, **changes)
    path.apply([ensemble, alone], [model(name) for name in MODELS])
    return [path.ready(name) for name in MODELS]


def queued(path: DataPath, name: str) -> int:
    runtime: Any = path.call(lambda: path.snapshots.find_model(name, "1"))
    return int(path.call(lambda: runtime.queue_depth))


# -- decided ---------------------------------------------------------------------------------------------------------


def test_majority_is_answered_before_its_straggler_which_still_fills_the_cache(path: DataPath) -> None:
    a, b, c = link(path)
    pending = path.begin({"input": [1.0]})
    a.answer(a.take_batch(), ["x"])
    b.answer(b.take_batch(), ["x"])
    answer = pending.response().json
    assert (answer["output"], answer["default"], answer["confidence"]) == ("x", False, 0.6667)
    assert answer["missing"] == ["c:1"]
    assert list(answer) == ["query_id", "output", "default", "model", "confidence", "missing"]

    c.answer(c.take_batch(), ["x"])
    path.wait_until(lambda: path.core.slots.in_use == 0)
    again = path.ask({"input": [1.0]}).json
    assert (again["confidence"], "missing" in again) == (1.0, False)
    assert path.application_figures()["predictions"] == {"complete": 1, "decided": 1, "partial": 0}
    assert [path.figures(name)["missing"] for name in MODELS] == [0, 0, 1]


def test_first_model_of_two_decides_since_it_wins_every_tie(path: DataPath) -> None:
    path.apply([application(models=["a", "b"])], [model("a"), model("b")])
    a, b = path.ready("a"), path.ready("b")
    pending = path.begin({"input": [1.0]})
    a.answer(a.take_batch(), [1])
    assert pending.response().json["output"] == 1
    b.answer(b.take_batch(), [2])
    pending = path.begin({"input": [2.0]})
    b.answer(b.take_batch(), [2])
    assert not pending.is_answered(0.05)
    a.answer(a.take_batch(), [1])
    answer = pending.response().json
    assert (answer["output"], answer["confidence"], "missing" in answer) == (1, 0.5, False)


def test_task_that_waits_in_a_queue_for_a_decided_query_alone_ends_there(path: DataPath) -> None:
    a, b, c = link(path)
    first = path.begin({"input": [1.0]})
    straggling = c.take_batch()  # from here on its replica is busy
    for puppet in (a, b):
        puppet.answer(puppet.take_batch(), ["x"])
    assert first.response().json["missing"] == ["c:1"]
    pending = path.begin({"input": [2.0]})
    for puppet in (a, b):
        puppet.answer(puppet.take_batch(), ["y"])
    assert pending.response().json["missing"] == ["c:1"]
    assert queued(path, "c") == 0
    c.answer(straggling, ["x"])
    path.wait_until(lambda: path.core.slots.in_use == 0)
    assert not c.has_batch()


@pytest.mark.parametrize("is_in_flight", [True, False])
def test_query_that_joined_the_stragglers_task_gets_its_answer(path: DataPath, is_in_flight: bool) -> None:
    a, b, c = link(path)
    blocking = None if is_in_flight else path.begin({"input": [0.0]}, "alone")
    blocker = None if is_in_flight else c.take_batch()
    ensemble = path.begin({"input": [1.0]})
    taken = [puppet.take_batch() for puppet in (a, b)]
    alone = path.begin({"input": [1.0]}, "alone")
    path.wait_until(lambda: path.core.cache.joins == 1)
    for puppet, batch in zip((a, b), taken, strict=True):
        puppet.answer(batch, ["x"])
    assert ensemble.response().json["missing"] == ["c:1"]
    if blocking is not None and blocker is not None:
        c.answer(blocker, ["z"])
        assert blocking.response().json["output"] == "z"
    c.answer(c.take_batch(), ["y"])
    assert alone.response().json["output"] == "y"


def test_ensemble_that_the_cache_decides_asks_nobody(path: DataPath) -> None:
    a, b, c = link(path)
    pending = path.begin({"input": [1.0]})
    c.fail(c.take_batch(), b"down")  # so its output is not in the cache
    for puppet in (a, b):
        puppet.answer(puppet.take_batch(), ["x"])
    pending.response()
    path.wait_until(lambda: path.core.slots.in_use == 0)
    answer = path.ask({"input": [1.0]}).json
    assert (answer["output"], answer["missing"]) == ("x", ["c:1"])
    assert queued(path, "c") == 0
    assert not c.has_batch()


def test_cached_outputs_that_disagree_decide_nothing(path: DataPath) -> None:
    a, b, c = link(path)
    pending = path.begin({"input": [1.0]})
    c.fail(c.take_batch(), b"down")
    a.answer(a.take_batch(), ["x"])
    b.answer(b.take_batch(), ["y"])
    assert pending.response().json["output"] == "x"
    pending = path.begin({"input": [1.0]})
    c.answer(c.take_batch(), ["y"])
    answer = pending.response().json
    assert (answer["output"], answer["confidence"]) == ("y", 0.6667)


def test_majority_that_waits_for_all_is_answered_when_the_last_is_in(path: DataPath) -> None:
    path.apply(
        [application(models=MODELS, policy={"name": "majority", "answer_when_decided": False})],
        [model(name) for name in MODELS],
    )
    a, b, c = [path.ready(name) for name in MODELS]
    pending = path.begin({"input": [1.0]})
    for puppet in (a, b):
        puppet.answer(puppet.take_batch(), ["x"])
    assert not pending.is_answered(0.05)
    c.answer(c.take_batch(), ["x"])
    answer = pending.response().json
    assert (answer["confidence"], "missing" in answer) == (1.0, False)
    again = path.ask({"input": [1.0]}).json
    assert again["confidence"] == 1.0


def test_inputs_of_one_batch_are_decided_each_for_itself(path: DataPath) -> None:
    a, b, c = link(path)
    pending = path.begin({"input_batch": [[1.0], [2.0]]})
    a.answer(a.take_batch(), ["x", "x"])
    b.answer(b.take_batch(), ["x", "y"])
    path.wait_until(lambda: path.core.slots.in_use == 2)
    c.answer(c.take_batch(), ["z", "y"])
    first, second = pending.response().json["batch_predictions"]
    assert (first["output"], first["confidence"], first["missing"]) == ("x", 0.6667, ["c:1"])
    assert (second["output"], second["confidence"], "missing" in second) == ("y", 0.6667, False)


# -- members that fail or are away -----------------------------------------------------------------------------------


def test_failed_member_has_no_vote_to_come_so_that_one_output_may_decide(path: DataPath) -> None:
    a, b, c = link(path)
    pending = path.begin({"input": [1.0]})
    a.answer(a.take_batch(), ["x"])
    c.fail(c.take_batch(), b"out of memory")
    answer = pending.response().json
    assert (answer["output"], answer["confidence"], answer["missing"]) == ("x", 0.3333, ["b:1", "c:1"])
    b.answer(b.take_batch(), ["y"])


def test_failed_member_of_a_complete_round_makes_the_answer_partial(path: DataPath) -> None:
    a, b, c = link(path)
    pending = path.begin({"input": [1.0]})
    c.fail(c.take_batch(), b"out of memory")
    b.answer(b.take_batch(), ["y"])
    path.wait_until(lambda: path.core.slots.in_use == 1)
    a.answer(a.take_batch(), ["x"])
    answer = pending.response().json
    assert (answer["output"], answer["confidence"], answer["missing"]) == ("x", 0.3333, ["c:1"])
    assert path.application_figures()["predictions"] == {"complete": 0, "decided": 0, "partial": 1}


def test_ensemble_of_which_all_fail_gets_the_default_and_names_no_missing_models(path: DataPath) -> None:
    puppets = link(path)
    pending = path.begin({"input": [1.0]})
    for puppet in puppets:
        puppet.fail(puppet.take_batch(), b"down")
    answer = pending.response().json
    assert list(answer) == ["query_id", "output", "default", "default_explanation"]
    assert sum(path.application_figures()["predictions"].values()) == 0


def test_replica_lost_with_the_task_of_a_decided_query_is_asked_for_nothing_again(path: DataPath) -> None:
    a, b, c = link(path)
    pending = path.begin({"input": [1.0]})
    c.take_batch()
    for puppet in (a, b):
        puppet.answer(puppet.take_batch(), ["x"])
    pending.response()
    path.gone("c:1:0")
    path.wait_until(lambda: path.core.slots.in_use == 0)
    assert path.figures("c")["requeues"] == 0


# -- at the deadline -------------------------------------------------------------------------------------------------


def test_undecided_majority_is_answered_at_the_deadline_from_what_is_there(path: DataPath) -> None:
    a, b, c = link(path)
    pending = path.begin({"input": [1.0], "slo_us": SOON_US})
    c.answer(c.take_batch(), ["x"])
    answer = pending.response().json
    assert (answer["output"], answer["confidence"], answer["missing"]) == ("x", 0.3333, ["a:1", "b:1"])
    assert path.application_figures()["predictions"] == {"complete": 0, "decided": 0, "partial": 1}
    assert [path.figures(name)["missing"] for name in MODELS] == [1, 1, 0]
    for puppet in (a, b):
        puppet.answer(puppet.take_batch(), ["x"])


def test_mean_is_never_decided_but_answered_at_the_deadline_from_what_is_there(path: DataPath) -> None:
    a, b, c = link(path, "mean")
    pending = path.begin({"input": [1.0], "slo_us": SOON_US})
    a.answer(a.take_batch(), [4])
    c.answer(c.take_batch(), [2])
    answer = pending.response().json
    assert (answer["output"], answer["confidence"], answer["missing"]) == (3.0, 0.6667, ["b:1"])
    b.answer(b.take_batch(), [300])


# -- all of it -------------------------------------------------------------------------------------------------------


def test_answers_given_early_are_those_that_waiting_would_have_given(path: DataPath) -> None:
    names = [f"m{number}" for number in range(5)]

    def vote(name: str, one: float) -> str:
        return random.Random(f"{name} {one}").choice("xyz")

    def predict(name: str, inputs: list[Any]) -> list[Any]:
        time.sleep(random.random() * 0.004)  # members overtake each other
        return [vote(name, one[0]) for one in inputs]

    path.apply([application(models=names, policy={"name": "majority"})], [model(name) for name in names])
    for name in names:
        path.serving(lambda inputs, name=name: predict(name, inputs), name)  # type: ignore[misc]

    def ask(number: int) -> tuple[float, Any]:
        one = float(number % 150)  # some come again, and find some outputs in the cache
        return one, path.ask({"input": [one]}).json

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(ask, range(300)))
    for one, answer in answers:
        expected = gather_twin.majority([vote(name, one) for name in names])
        assert expected is not None
        assert answer["output"] == expected.output
        shown = {*answer.get("missing", [])}
        present = [vote(name, one) for name in names if f"{name}:1" not in shown]
        assert answer["confidence"] == pytest.approx(present.count(expected.output) / len(names), abs=0.000_05)
    kinds = path.application_figures()["predictions"]
    assert kinds["decided"] > 0
    assert (sum(kinds.values()), kinds["partial"]) == (300, 0)
