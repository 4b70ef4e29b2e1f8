"""How long a replica that empties its queue is given: what holds, and what held until of late."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clipper.deploy.query_waits import QueryWaits

GRACE_US = 100
SLOS = st.dictionaries(st.sampled_from("ab"), st.integers(1, 1_000), max_size=2)


def test_longer_objective_counts_until_its_last_query_cannot_wait_any_more() -> None:
    waits = QueryWaits(GRACE_US)
    waits.tell({"svm": 5_000}, 0)
    waits.tell({"svm": 300}, 1_000)
    over_us = 1_000 + GRACE_US + 5_000
    assert waits.longest_us("svm", over_us - 1) == 5_000
    assert waits.longest_us("svm", over_us) == 300


def test_unlinked_model_has_no_queries_in_the_end() -> None:
    waits = QueryWaits(GRACE_US)
    waits.tell({"svm": 500}, 0)
    waits.tell({}, 1)
    assert waits.longest_us("svm", 1 + GRACE_US + 499) == 500
    assert waits.longest_us("svm", 1 + GRACE_US + 500) == 0
    assert waits.longest_us("unknown", 1) == 0


@given(st.lists(st.tuples(st.integers(0, 2_000), SLOS), max_size=8), st.integers(0, 4_000))
def test_longest_wait_covers_every_query_that_may_be_there(
    told: list[tuple[int, dict[str, int]]], later_us: int
) -> None:
    waits = QueryWaits(GRACE_US)
    now_us = 0
    waiting: list[tuple[str, int, int]] = []  # model, objective, until when its last query may wait
    present: dict[str, int] = {}
    for after_us, slos in told:
        now_us += after_us
        waiting += [(model, slo, now_us + GRACE_US + slo) for model, slo in present.items()]
        waits.tell(slos, now_us)
        present = slos
    now_us += later_us
    for model in "ab":
        needed = [slo for name, slo, until_us in waiting if name == model and until_us > now_us]
        assert waits.longest_us(model, now_us) >= max([*needed, present.get(model, 0)])
        assert waits.longest_us(model, now_us + 2_000 + GRACE_US) == present.get(model, 0)
