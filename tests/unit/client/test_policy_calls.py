"""Policies from Python: what is asked and shown, and what is refused before it goes out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from clipper import Clipper, InvalidArgumentError, PolicyInfo
from tests.support.canned_learning import POLICY, canned_learning
from tests.support.canned_server import CannedServer


@pytest.fixture(scope="module")
def server() -> Iterator[CannedServer]:
    with canned_learning() as server:
        yield server


@pytest.fixture
def clipper(server: CannedServer) -> Iterator[Clipper]:
    with Clipper.connect(server.url) as clipper:
        yield clipper


def test_policy_shows_what_was_learned_of_each_model(clipper: Clipper) -> None:
    info = clipper.policy("digits")
    assert (info.policy, info.observations, info.context) == (POLICY["policy"], 5321, None)
    best, other = info.arms
    assert (best.arm, best.share, best.mean_reward, best.interval_high) == ("svm:1", 0.98, 0.974, 0.981)
    assert (other.mean_reward, other.pulls) == (None, 0)
    first, head, svm, tree = repr(info).splitlines()
    assert first == "policy thompson, 5321 observations"
    assert head.split() == ["arm", "share", "pulls", "mean_reward", "interval_low", "interval_high"]
    assert svm.split() == ["svm:1", "0.98", "5321", "0.974", "0.965", "0.981"]
    assert tree.split()[3:] == ["-", "-", "-"]
    assert "<th>share</th>" in info._repr_html_()


def test_context_is_asked_for_by_its_name(clipper: Clipper, server: CannedServer) -> None:
    assert clipper.policy("digits", "ann").context == "ann"
    assert clipper.policy("digits", "ann & bob").context is None
    assert server.asked[-1].path == "/api/v1/applications/digits/policy?context=ann+%26+bob"


def test_policy_of_an_older_answer_is_read_without_what_it_lacks() -> None:
    info = PolicyInfo.from_answer({"policy": {"name": "static"}, "of_a_later_version": 1})
    assert (info.learning, info.arms, info.observations) == (None, (), 0)


@pytest.mark.parametrize(
    ("policy", "sent"),
    [
        ("thompson", {"name": "thompson"}),
        ({"name": "epsilon_greedy", "epsilon": 0.1}, {"name": "epsilon_greedy", "epsilon": 0.1}),
        ("shop.policies:Mine", {"name": "shop.policies:Mine"}),
    ],
)
def test_policy_is_set_by_name_with_its_parameters(
    clipper: Clipper, server: CannedServer, policy: Any, sent: Any
) -> None:
    assert clipper.set_policy("digits", policy).arms[0].arm == "svm:1"
    assert (server.asked[-1].method, json.loads(server.asked[-1].body)) == ("PUT", {"policy": sent})


@pytest.mark.parametrize(
    ("learning", "sent"), [(None, None), (False, None), (True, {}), ({"loss": "log"}, {"loss": "log"})]
)
def test_learning_goes_out_with_a_registration(
    clipper: Clipper, server: CannedServer, learning: Any, sent: Any
) -> None:
    clipper.register_application("digits", "doubles", -1, 20_000, policy="hedge", learning=learning)
    body = json.loads(server.asked[-1].body)
    assert (body["policy"], body["learning"]) == ({"name": "hedge"}, sent)


@pytest.mark.parametrize(("learning", "sent"), [(False, None), (True, {}), ({"loss": "log"}, {"loss": "log"})])
def test_learning_is_changed_with_a_policy_where_it_is_said(
    clipper: Clipper, server: CannedServer, learning: Any, sent: Any
) -> None:
    clipper.set_policy("digits", "hedge", learning=learning)
    assert json.loads(server.asked[-1].body) == {"policy": {"name": "hedge"}, "learning": sent}


@pytest.mark.parametrize("policy", ["", 7, {}, {"name": ""}, {"epsilon": 0.1}, ["thompson"]])
def test_policy_that_is_none_is_refused_at_once(clipper: Clipper, policy: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="for example 'thompson'"):
        clipper.set_policy("digits", policy)


def test_learning_that_is_none_is_refused_at_once(clipper: Clipper) -> None:
    with pytest.raises(InvalidArgumentError, match="learning='zero_one'"):
        clipper.register_application("digits", "doubles", -1, 20_000, learning="zero_one")  # type: ignore[arg-type]
