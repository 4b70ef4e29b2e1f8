"""nginx with a constant answer: what HTTP over loopback alone costs on this machine."""

from __future__ import annotations

import http.client
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from bench.loadgen.open_loop import Expectation
from bench.loadgen.request import RequestTemplate
from bench.subjects.subject import Role, Subject, WrongAnswerError
from bench.workloads import Workload

ANSWER = b'{"query_id":1,"output":1.0,"default":false}'
CONFIG = """\
worker_processes 1;
daemon off;
pid {directory}/pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_buffer_size 1m;
  client_max_body_size 1m;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{ default_type application/json; return 200 '{answer}'; }}
  }}
}}
"""


class Nginx(Subject):
    """One worker that reads the body and answers without looking at it."""

    name = "nginx"
    role = Role.FLOOR
    settings = "`return 200` with a constant body of a Clipper answer's size, 1 worker, the request's body read"
    paths: ClassVar[Mapping[Workload, str]] = {
        Workload.NOOP: "/noop",
        Workload.LINEAR: "/linear",
        Workload.IMAGE: "/image",
    }

    @staticmethod
    def program() -> str | None:
        """Return the path of nginx, which Debian keeps out of a user's PATH."""
        return shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")

    def missing(self) -> str | None:
        """Whether nginx is on the machine."""
        if self.program():
            return None
        return "not installed: apt-get install -y --no-install-recommends nginx-light"

    def version(self) -> str:
        """Ask nginx."""
        said = subprocess.run([str(self.program()), "-v"], capture_output=True, text=True, check=True).stderr
        return said.strip().removeprefix("nginx version: ")

    def command(self) -> list[str]:
        """Write the configuration and return the command line."""
        file = self.directory / "nginx.conf"
        text = CONFIG.format(directory=self.directory, port=self.port, answer=ANSWER.decode("ascii"))
        file.write_text(text, encoding="ascii")
        return [str(self.program()), "-p", str(self.directory), "-c", str(file), "-e", str(Path("/dev/stderr"))]

    def expectation(self, workload: Workload) -> Expectation:
        """Nothing of the question is in the answer."""
        return Expectation(accept=(ANSWER.decode("ascii"),))

    def ask(
        self, connection: http.client.HTTPConnection, workload: Workload, template: RequestTemplate, counter: int
    ) -> None:
        """Only the constant counts as right: there is no model."""
        connection.request("POST", template.path, template.body(counter), dict(template.headers))
        answer = connection.getresponse().read()
        if answer != ANSWER:
            raise WrongAnswerError(f"nginx answers {answer[:200]!r}")
