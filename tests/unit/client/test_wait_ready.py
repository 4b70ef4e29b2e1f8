"""The wait for replicas: until they are there, or until it is of no use."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from clipper import Clipper, DeployError, UnavailableError
from tests.support.canned_server import Answer, Asked, canned_server

STATUS = (200, "application/json", json.dumps({"query_url": "http://127.0.0.1:1"}).encode())


def models(**version: Any) -> Answer:
    described = {
        "name": "m", "version": "1", "input_type": "doubles", "container": "noop", "replicas": 2, "ready_replicas": 1,
        "is_deployed": True, **version,
    }  # fmt: skip
    document = [{"name": "m", "current_version": "1", "versions": [described]}]
    return 200, "application/json", json.dumps(document).encode()


@contextlib.contextmanager
def connected(answer: Answer | Callable[[Asked], Answer]) -> Iterator[Clipper]:
    answers = {"/api/v1/status": STATUS, "/api/v1/models": answer}
    with canned_server(answers) as server, Clipper.connect(server.url) as clipper:
        yield clipper


def test_wait_ends_when_the_last_replica_is_ready() -> None:
    answers = [models(), models(), models(ready_replicas=2)]

    def answer(_: Asked) -> Answer:
        return answers.pop(0)

    with connected(answer) as clipper:
        clipper.wait_ready()
    assert answers == []


def test_wait_beyond_its_limit_tells_what_is_missing() -> None:
    with connected(models()) as clipper, pytest.raises(UnavailableError, match="m:1 has 1/2"):
        clipper.wait_ready(limit_us=0)


def test_version_that_is_left_alone_ends_the_wait_with_its_log() -> None:
    failed = models(is_quarantined=True, last_failure="exited with code 4", log_tail="Traceback")
    with connected(failed) as clipper, pytest.raises(DeployError, match="exited with code 4") as caught:
        clipper.wait_ready()
    assert caught.value.log_tail == "Traceback"
