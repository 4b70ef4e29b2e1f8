"""Inputs that come again: hot keys by Zipf's law, and duplicates that meet in flight."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from bench.loadgen.request import FIRST_COUNTER, LAST_COUNTER, Body, CounterForm, RequestTemplate
from bench.traffic import (
    CYCLE_REQUESTS,
    HOT_KEYS,
    HotKeys,
    Traffic,
    draw_keys,
    hot_ratio,
    input_counter,
    shaped,
    with_duplicates,
    with_hot_keys,
)
from bench.workloads import json_template, noop_array_around_hole, wrap

BODIES = tuple(Body(b'{"input":[0.', f",{place}]}}".encode()) for place in range(16))


@pytest.fixture(scope="module")
def plain() -> RequestTemplate:
    return json_template("/trees", BODIES)


@pytest.fixture(scope="module")
def hot(plain: RequestTemplate) -> HotKeys:
    return with_hot_keys(plain)


def test_hot_keys_are_drawn_as_often_as_their_law_says() -> None:
    keys = draw_keys()
    assert np.mean(keys >= 0) == pytest.approx(hot_ratio(), abs=0.02)
    assert hot_ratio() == pytest.approx(0.62, abs=0.01)
    counts = np.bincount(keys[keys >= 0], minlength=HOT_KEYS)
    assert counts[0] / max(1, counts[9]) == pytest.approx(10, rel=0.4)


def test_hot_key_is_the_same_input_whenever_it_comes(hot: HotKeys) -> None:
    places = [place for place, key in enumerate(hot.keys) if key == 0][:2]
    start = CYCLE_REQUESTS * 1_000
    first, second = (hot.body(start + place) for place in places)
    assert first == second == hot.body(start + CYCLE_REQUESTS + places[0])


def test_key_of_the_tail_is_an_input_that_never_came_before(hot: HotKeys) -> None:
    place = hot.keys.index(-1)
    start = CYCLE_REQUESTS * 1_000
    assert hot.body(start + place) != hot.body(start + CYCLE_REQUESTS + place)


def test_answer_of_a_hot_key_is_that_of_its_input(hot: HotKeys, plain: RequestTemplate) -> None:
    for counter in range(FIRST_COUNTER, FIRST_COUNTER + 200):
        assert hot.body(counter) == plain.body(input_counter(hot, counter))


def test_file_of_hot_keys_holds_the_requests_that_the_bodies_say(hot: HotKeys, tmp_path: Path) -> None:
    hot.write(tmp_path / "requests", 80)
    requests = written_requests(tmp_path / "requests")
    start = CYCLE_REQUESTS * 1_000
    assert len(requests) == CYCLE_REQUESTS
    for place in range(300):
        before, after = requests[place]
        whole = before + b"%08d" % (start + place) + after
        head, body = whole.split(b"\r\n\r\n", 1)
        assert body == hot.body(start + place)
        length = re.search(rb"Content-Length: (\d+)", head)
        assert length is not None
        assert int(length[1]) == len(body)
        assert re.search(rb"X-Request-Id: \d{8}(\r\n|$)", head)


def written_requests(file: Path) -> list[tuple[bytes, bytes]]:
    content = file.read_bytes()
    line, rest = content.split(b"\n", 1)
    sizes = []
    for _ in range(int(line.split()[1])):
        line, rest = rest.split(b"\n", 1)
        sizes.append([int(size) for size in line.split()])
    requests, position = [], 0
    for before, after in sizes:
        requests.append((rest[position : position + before], rest[position + before : position + before + after]))
        position += before + after
    assert position == len(rest)
    return requests


def test_bodies_that_do_not_divide_the_sequence_are_refused() -> None:
    with pytest.raises(ValueError, match="3 bodies"):
        with_hot_keys(json_template("/trees", BODIES[:3]))


@pytest.mark.parametrize("start", [FIRST_COUNTER, 50_000_000, LAST_COUNTER - 10_000])
def test_duplicates_are_about_twelve_in_a_row_and_never_again(plain: RequestTemplate, start: int) -> None:
    template = with_duplicates(plain)
    firsts = [np.float32(json.loads(template.body(c))["input"][0]) for c in range(start, start + 1_200)]
    changes = [position for position, (a, b) in enumerate(zip(firsts, firsts[1:], strict=False)) if a != b]
    runs = np.diff(changes)
    assert set(runs) <= {11, 12, 13}
    assert len(set(firsts)) == len(changes) + 1


def test_answer_of_a_duplicate_is_that_of_the_only_body(plain: RequestTemplate) -> None:
    assert input_counter(with_duplicates(plain), FIRST_COUNTER + 7) % len(BODIES) == 0


def test_requests_whose_counter_is_no_first_number_have_no_duplicates() -> None:
    template = json_template("/noop", wrap(noop_array_around_hole(), b'{"input":', b"}"))
    with pytest.raises(ValueError, match="no number of digits"):
        with_duplicates(template)
    with pytest.raises(ValueError, match="no number of digits"):
        with_duplicates(RequestTemplate("/", (), BODIES, CounterForm.DOUBLE))


def test_unique_traffic_is_the_subjects_own_requests(plain: RequestTemplate) -> None:
    assert shaped(plain, Traffic.UNIQUE) is plain
    assert shaped(plain, Traffic.REPEATED).counter_form is CounterForm.FIXED
    assert input_counter(plain, FIRST_COUNTER) == FIRST_COUNTER
