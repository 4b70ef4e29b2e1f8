"""The fold: deterministic, once for each observation however often it comes, and the same after a crash."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.learning import World, observation, options

CONTEXTS = ("ann", "ben", "cid", "dee")
LABELS = st.sampled_from([1, 1, 0, "raise", "nan", "bad plan"])
ITEMS = st.lists(st.tuples(st.sampled_from([None, *CONTEXTS]), LABELS), max_size=25).map(
    lambda drawn: [observation(number, context, label) for number, (context, label) in enumerate(drawn, 1)]
)
# Where a worker's stream is cut into messages, and where its worker sends again from: fractions of what there is.
CUTS = st.lists(st.integers(0, 25), max_size=6)
POLICY = {"name": "epsilon_greedy", "epsilon": 0.1}


def world(max_contexts: int = 100, policy: Any = None) -> World:
    return World(options(policy, has_contexts=True, max_contexts=max_contexts))


def pieces(items: list[Any], cuts: list[int]) -> list[tuple[int, list[Any]]]:
    """Cut into messages: (sequence number of the first, items)."""
    bounds = sorted({0, *(min(cut, len(items)) for cut in cuts), len(items)})
    return [(begin + 1, items[begin:end]) for begin, end in zip(bounds, bounds[1:], strict=False)]


def folded_at_once(items: list[Any], policy: Any = None) -> World:
    one = world(policy=policy)
    one.fold(items)
    return one


@given(ITEMS, CUTS)
def test_fold_is_the_same_however_the_stream_is_cut(items: list[Any], cuts: list[int]) -> None:
    cut = world()
    for first_seq, piece in pieces(items, cuts):
        cut.fold(piece, first_seq)
        cut.learner.make_plans(0)
    assert cut.states(CONTEXTS) == folded_at_once(items).states(CONTEXTS)


@given(ITEMS, CUTS, st.lists(st.integers(0, 25), min_size=6, max_size=6))
def test_fold_takes_each_observation_once_however_often_it_comes(
    items: list[Any], cuts: list[int], backs: list[int]
) -> None:
    again = world()
    new = 0
    for (first_seq, piece), back in zip(pieces(items, cuts), backs, strict=False):
        begin = max(1, first_seq - back)
        new += again.fold(items[begin - 1 : first_seq - 1 + len(piece)], begin)
    again.fold(items)
    assert again.states(CONTEXTS) == folded_at_once(items).states(CONTEXTS)
    assert again.learner.counts.folded == len(items)


@given(ITEMS, CUTS, st.lists(st.sampled_from(["flush", "lost flush", "crash"]), min_size=6, max_size=6))
def test_last_flush_and_what_is_sent_again_give_the_same_state(
    items: list[Any], cuts: list[int], events: list[str]
) -> None:
    # A state that is no JSON is noticed at a flush, so where flushes are matters to a policy that makes one.
    items = [item for item in items if item["label"] != "nan"]
    crashing = world(max_contexts=2)
    acknowledged = 0
    for (first_seq, piece), event in zip(pieces(items, cuts), events, strict=False):
        crashing.fold(piece, first_seq)
        if event == "crash":
            crashing.crash()
            crashing.fold(items[acknowledged : first_seq - 1 + len(piece)], acknowledged + 1)
        else:
            flush = crashing.flush(is_written=event == "flush")
            acknowledged = flush.acknowledged[1] if event == "flush" else acknowledged
    crashing.crash()
    crashing.fold(items[acknowledged:], acknowledged + 1)
    assert crashing.states(CONTEXTS) == folded_at_once(items).states(CONTEXTS)


@given(ITEMS, CUTS, st.integers(1, 3))
def test_contexts_that_went_to_the_store_and_back_are_as_if_they_had_stayed(
    items: list[Any], cuts: list[int], max_contexts: int
) -> None:
    items = [item for item in items if item["label"] != "nan"]
    small = world(max_contexts)
    for first_seq, piece in pieces(items, cuts):
        small.fold(piece, first_seq)
        small.flush()
        assert len(small.learner.contexts) <= max_contexts
    assert small.states(CONTEXTS) == folded_at_once(items).states(CONTEXTS)


@given(ITEMS, CUTS)
def test_real_policy_is_as_deterministic(items: list[Any], cuts: list[int]) -> None:
    crashing = world(max_contexts=2, policy=POLICY)
    for first_seq, piece in pieces(items, cuts):
        crashing.fold(piece, first_seq)
        crashing.flush()
        crashing.crash()
        crashing.fold(items[: first_seq - 1 + len(piece)])
    expected = folded_at_once(items, POLICY)
    assert crashing.states(CONTEXTS) == expected.states(CONTEXTS)
    assert crashing.learner.arm_counts == expected.learner.arm_counts
