"""A bare ZeroMQ echo over TCP: what the transport between Clipper and its containers costs by itself, without HTTP."""

from __future__ import annotations

import http.client
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from bench.loadgen.request import RequestTemplate
from bench.loadgen.wrk import LoadError, WrkResult, parse_wrk
from bench.procfs import wait_with_cpu
from bench.subjects.peer import PeerSubject
from bench.subjects.subject import REPOSITORY, Role, WrongAnswerError
from bench.workloads import Workload

CLIENT = "bench.subjects.servers.zeromq_client"


class ZeroMqEcho(PeerSubject):
    """A ROUTER socket that sends each message back; the load is one DEALER socket with as many in flight."""

    name = "zeromq"
    role = Role.FLOOR
    settings = (
        "a ROUTER in Python that echoes; asked by one DEALER in Python, c messages in flight; no HTTP, no JSON read"
    )
    paths: ClassVar[Mapping[Workload, str]] = {Workload.NOOP: "noop", Workload.LINEAR: "linear"}
    distributions = ("pyzmq",)

    def command(self) -> list[str]:
        """Return the server's command line."""
        return [self.python(), "-m", "bench.subjects.servers.zeromq_server", str(self.port)]

    def ask(
        self, connection: http.client.HTTPConnection, workload: Workload, template: RequestTemplate, counter: int
    ) -> None:
        """What was sent comes back; the connection, being one of HTTP, is not used."""
        import zmq

        body = template.body(counter)
        with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.linger, socket.rcvtimeo = 0, 2_000
            socket.connect(f"tcp://127.0.0.1:{self.port}")
            socket.send(body)
            try:
                answer = socket.recv()
            except zmq.Again as error:
                raise WrongAnswerError("zeromq does not answer") from error
        if answer != body:
            raise WrongAnswerError(f"zeromq answers {answer[:200]!r}")

    def run_load(self, file: Path, connections: int, duration_s: int, first_counter: int) -> WrkResult:
        """Run the client of its own kind, which prints what wrk's script prints, and checks each answer.

        Raises
        ------
        LoadError
            If the client fails.
        """
        command = [self.python(), "-m", CLIENT, str(self.port), str(file)]
        command += [str(connections), str(duration_s), str(first_counter)]
        process = subprocess.Popen(
            command, env={"PYTHONPATH": str(REPOSITORY)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        output, load = wait_with_cpu(process)
        if process.returncode != 0:
            raise LoadError(f"the ZeroMQ client ended with {process.returncode}: {output.strip()[-500:]}")
        return parse_wrk(output, load)
