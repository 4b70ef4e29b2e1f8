"""A bare uvloop protocol with a constant answer: what HTTP costs a Python program at the very least."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from typing import ClassVar

from bench.loadgen.request import RequestTemplate
from bench.subjects.nginx import ANSWER
from bench.subjects.peer import PeerSubject
from bench.subjects.subject import Role, WrongAnswerError
from bench.workloads import Workload


class UvloopFloor(PeerSubject):
    """Finds where a request ends and answers without looking at it."""

    name = "uvloop"
    role = Role.FLOOR
    settings = "an asyncio protocol on uvloop: counts the body's bytes, answers a constant of a Clipper answer's size"
    paths: ClassVar[Mapping[Workload, str]] = {
        Workload.NOOP: "/noop",
        Workload.LINEAR: "/linear",
        Workload.IMAGE: "/image",
    }
    distributions = ("uvloop",)

    def command(self) -> list[str]:
        """Return the server's command line."""
        return [self.python(), "-m", "bench.subjects.servers.uvloop_server", str(self.port), ANSWER.decode("ascii")]

    def ask(
        self, connection: http.client.HTTPConnection, workload: Workload, template: RequestTemplate, counter: int
    ) -> None:
        """Only the constant counts as right: there is no model."""
        connection.request("POST", template.path, template.body(counter), dict(template.headers))
        answer = connection.getresponse().read()
        if answer != ANSWER:
            raise WrongAnswerError(f"uvloop answers {answer[:200]!r}")
