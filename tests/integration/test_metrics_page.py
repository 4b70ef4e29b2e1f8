"""The page of metrics is rendered a little at a time: no scrape keeps queries waiting."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.data_path import DataPath, Pending, application, data_path, model
from tests.support.http_responses import get

SCRAPE = get(b"/metrics")
MANY = 300  # applications: a page of them takes a tenth of a second and more


@pytest.fixture
def path() -> Iterator[DataPath]:
    with data_path() as serving:
        yield serving


@pytest.fixture(autouse=True)
def _fair_threads() -> Iterator[None]:
    """Server and client are threads of one process here: neither keeps the other from running for long."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.000_1)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def crowded(path: DataPath) -> DataPath:
    """A data path with many applications; the page was asked for once, so that all modules are there."""
    path.apply([application(f"app-{number}") for number in range(MANY)], [model()])
    page_of(path.send(SCRAPE))
    return path


def page_of(pending: Pending) -> set[str]:
    """Return the applications that a page tells of."""
    response = pending.response()
    assert (response.status, response.headers["content-type"][:10]) == (200, "text/plain")
    families = {family.name: family for family in text_string_to_metric_families(response.body.decode())}
    assert "process_resident_memory_bytes" in families
    return {sample.labels["application"] for sample in families["clipper_queries"].samples}


def test_queries_are_answered_while_a_page_is_rendered(crowded: DataPath) -> None:
    crowded.serving(lambda inputs: [0] * len(inputs))
    page, answered = crowded.send(SCRAPE), 0
    while not page.is_answered():
        assert crowded.ask({"input": [1.0]}, app="app-7").status == 200
        answered += 1
    assert answered >= 5
    assert len(page_of(page)) == MANY


def test_who_asks_while_a_page_is_rendered_gets_the_next(crowded: DataPath) -> None:
    pages = [crowded.send(SCRAPE) for _ in range(5)]
    crowded.apply([application("late")], [model()])
    pages += [crowded.send(SCRAPE) for _ in range(5)]
    seen = [page_of(page) for page in pages]
    assert all(len(names) in (1, MANY) for names in seen)
    assert seen[-1] == {"late"}


def test_who_leaves_before_the_page_is_there_keeps_nobody_from_it(crowded: DataPath) -> None:
    leaver, stayer = crowded.send(SCRAPE), crowded.send(SCRAPE)
    leaver.client.close()
    assert len(page_of(stayer)) == MANY


def test_head_has_the_length_of_the_page_and_no_page(path: DataPath) -> None:
    head, _, body = path.exchange(get(b"/metrics", b"Connection: close", method=b"HEAD")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    (length,) = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    assert length > 1_000
    assert body == b""


def test_page_that_fails_is_answered_and_the_next_one_is_whole(
    path: DataPath, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_applications: object) -> None:
        raise RuntimeError("on purpose")

    with monkeypatch.context() as patch:
        patch.setattr(path.learning, "metrics", broken)
        response = path.send(SCRAPE).response()
    assert (response.status, response.error) == (500, "internal_error")
    assert "on purpose" in str(caplog.records[0].exc_info)
    assert page_of(path.send(SCRAPE)) == {"app"}
