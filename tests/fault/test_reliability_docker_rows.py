"""The short form of two rows of docs/reliability.md in Docker: where containers die, and where they do not.

``python -m bench.reliability --containers docker`` runs all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from bench.reliability.__main__ import run_row
from bench.reliability.containers import DOCKER, KINDS
from bench.reliability.context import Bench
from bench.reliability.scenario import load_rows
from tests.support.dockerd import NEEDS_DOCKERD, DockerDaemon

ON_A_DAEMON: Final = [pytest.mark.timeout(180), *NEEDS_DOCKERD]
SHORT: Final = ("kill-replica", "supervisor-kill-docker")


@pytest.fixture(scope="module")
def bench(dockerd: DockerDaemon) -> Iterator[Bench]:
    running = Bench(daemon=dockerd)
    yield running
    running.close()


class TestOnADaemon:
    pytestmark = ON_A_DAEMON

    @pytest.mark.parametrize("name", SHORT)
    def test_short_form_of_the_row_holds_in_docker(self, name: str, bench: Bench) -> None:
        result = run_row(bench, load_rows(DOCKER)[name])
        assert result.error == ""
        assert [check for check in result.checks if not check.holds and not check.is_timed] == []
        assert result.checks, "a row that checks nothing"


def test_rows_of_docker_are_those_about_containers_with_one_more() -> None:
    """A row about containers that is not run in Docker is one that somebody forgot."""
    process, docker = (load_rows(kind) for kind in KINDS)
    assert docker.keys() - process.keys() == {"supervisor-kill-docker"}
    of_containers = {row.name for row in process.values() if row.family in ("replicas", "processes")}
    assert of_containers - docker.keys() == {"supervisor-kill"}, "its place is taken by another one"
