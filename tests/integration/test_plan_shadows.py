"""Shadows over HTTP: they see the queries, never answer, are never waited for, and are the first to be left out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from clipper.config import CoreConfig
from tests.support.data_path import DataPath, application, data_path, model
from tests.support.planned import MODELS, link, plan_document, send_plans
from tests.support.puppet_container import PuppetContainer

SHADOWED = plan_document(1, "arms", ["a"], probabilities=[1.0], shadows=["c:1"])


@pytest.fixture
def path() -> Iterator[DataPath]:
    with data_path() as serving:
        yield serving


def give(puppet: PuppetContainer, output: Any) -> None:
    puppet.answer(puppet.take_batch(), [output])


def counts(path: DataPath) -> tuple[int, int]:
    figures = path.figures("c")
    return figures["shadow_tasks"], figures["shadow_refusals"]


def test_shadow_sees_the_query_and_is_not_waited_for(path: DataPath) -> None:
    a, _, c = link(path, SHADOWED)
    pending = path.begin({"input": [1.0]})
    give(a, "shown")
    answer = pending.response().json
    assert (answer["output"], answer["model"], answer["confidence"], "missing" in answer) == (
        "shown",
        "a:1",
        1.0,
        False,
    )
    batch = c.take_batch()
    assert batch.inputs == [[1.0]]
    c.answer(batch, ["of the shadow"])
    path.wait_until(lambda: path.core.slots.in_use == 0)
    assert path.ask({"input": [1.0]}, "lone").json["output"] == "of the shadow", "it went into the cache"
    assert counts(path) == (1, 0)


@pytest.mark.parametrize(
    "plan",
    [
        plan_document(1, "members", ["a", "b"], rule="majority", answer_when_decided=False, shadows=["c:1"]),
        plan_document(1, "cascade", ["a", "b"], thresholds=[0.5], shadows=["c:1"]),
    ],
    ids=["members", "cascade"],
)
def test_shadow_has_no_say_among_members_and_stages(path: DataPath, plan: dict[str, Any]) -> None:
    a, b, c = link(path, plan)
    pending = path.begin({"input": [1.0]})
    give(c, [0.99, 0.0])
    give(a, [0.1, 0.2])
    give(b, [0.1, 0.2])
    answer = pending.response().json
    assert (answer["output"], "missing" in answer) == ([0.1, 0.2], False)
    assert "c:1" not in answer["model"]


def test_shadow_that_fails_or_has_no_replica_is_nobodys_trouble(path: DataPath) -> None:
    a, _, c = link(path, SHADOWED)
    pending = path.begin({"input": [1.0]})
    c.fail(c.take_batch(), b"not yet good")
    give(a, "shown")
    assert pending.response().json["output"] == "shown"
    path.gone("c:1:0")
    path.wait_until(lambda: path.state_of("c:1:0") == "closed")
    pending = path.begin({"input": [2.0]})
    give(a, "shown")
    assert pending.response().json["default"] is False
    assert counts(path) == (1, 1)


def test_query_that_waits_for_what_the_shadow_was_asked_joins_it(path: DataPath) -> None:
    a, _, c = link(path, SHADOWED)
    pending = path.begin({"input": [1.0]})
    give(a, "shown")
    pending.response()
    batch = c.take_batch()
    joined = path.begin({"input": [1.0]}, "lone")
    path.wait_until(lambda: path.core.cache.joins == 1)
    c.answer(batch, ["once"])
    assert joined.response().json["output"] == "once"


def test_shadow_joins_what_somebody_waits_for_and_outlasts_him(path: DataPath) -> None:
    a, _, c = link(path, SHADOWED)
    blocking = path.begin({"input": [0.0]}, "lone")
    blocker = c.take_batch()  # from here on its replica is busy
    waiting = path.begin({"input": [1.0], "slo_us": 80_000}, "lone")
    path.wait_until(lambda: path.snapshots.find_model("c", "1").queue_depth == 1)  # type: ignore[union-attr]
    pending = path.begin({"input": [1.0]})
    give(a, "shown")
    pending.response()
    assert waiting.response().json["default"] is True
    assert path.call(lambda: path.snapshots.find_model("c", "1").queue_depth) == 1  # type: ignore[union-attr]
    c.answer(blocker, ["z"])
    blocking.response()
    path.wait_until(lambda: path.core.slots.in_use == 0)  # too late by now to be evaluated: dropped


def test_shadow_is_refused_when_its_model_cannot_keep_up_while_queries_are_served(path: DataPath) -> None:
    # Model c has no objective but the one of models that nobody links: 100 ms.
    path.apply([application(models=["a"], policy={"name": "static"}, plan=SHADOWED)], [model(name) for name in MODELS])
    a, c = path.ready("a"), path.ready("c")
    for number in range(3):  # a replica that takes longer than half of that for a batch, and is known to
        pending = path.begin({"input": [float(number)]})
        give(a, "shown")
        pending.response()
        batch = c.take_batch()
        time.sleep(0.06)
        c.answer(batch, ["slow"])
    path.wait_until(lambda: path.core.slots.in_use == 0)
    before = counts(path)
    for number in range(10, 20):
        pending = path.begin({"input": [float(number)]})
        give(a, "shown")
        assert pending.response().json["output"] == "shown"
    seen, refused = (now - then for now, then in zip(counts(path), before, strict=True))
    assert refused > 0 and seen > 0 and seen + refused == 10
    path.gone("c:1:0")


def test_shadows_take_a_share_of_the_slots_and_leave_the_rest_to_queries() -> None:
    with data_path(CoreConfig(slot_count=64, arena_bytes=1 << 20)) as path:
        a, _, c = link(path, SHADOWED)
        for number in range(10):
            pending = path.begin({"input": [float(number)]})
            give(a, "shown")
            assert pending.response().json["default"] is False
        assert path.core.slots.in_use <= 64 // 16
        assert counts(path) == (4, 6)
        path.gone("c:1:0")
        del c


def test_plan_with_shadows_is_swapped_for_one_without(path: DataPath) -> None:
    a, _, c = link(path, SHADOWED)
    send_plans(path, (None, plan_document(2, "arms", ["a"], probabilities=[1.0])))
    pending = path.begin({"input": [1.0]})
    give(a, "shown")
    pending.response()
    assert not c.has_batch()


def test_application_without_a_cache_shows_its_shadow_the_queries(path: DataPath) -> None:
    a, _, c = link(path, SHADOWED, cache=False)
    pending = path.begin({"input": [1.0]})
    give(a, "shown")
    pending.response()
    give(c, "seen")
    path.wait_until(lambda: path.core.slots.in_use == 0)
