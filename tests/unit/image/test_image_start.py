"""What runs first in the image, and its health check."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clipper.config import ClipperConfig, ListenConfig
from clipper.image.health import trouble
from tests.support.repository import ROOT


def run(run_dir: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLIPPER_")}
    environment |= {"PYTHONPATH": str(ROOT), "CLIPPER_RUN_DIR": str(run_dir), **variables}
    command = [sys.executable, "-m", "clipper.image", *words]
    return subprocess.run(command, env=environment, cwd=run_dir.parent, capture_output=True, text=True, check=False)


def test_other_commands_run_as_they_are(tmp_path: Path) -> None:
    done = run(tmp_path / "run", "config", "--json", CLIPPER_LOGS__KEEP_COUNT="7")
    assert done.returncode == 0 and '"logs.keep_count"' in done.stdout
    assert not (tmp_path / "run").exists(), "secrets are for a start alone"


def test_start_that_is_refused_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(0o755)
    (tmp_path / "run" / "somebodys").write_text("file")
    (tmp_path / "run").chmod(0o755)
    done = run(tmp_path / "run", "start")
    assert done.returncode == 1
    assert done.stderr.startswith("clipper: run_dir=") and "it holds files that are not Clipper's" in done.stderr


@contextmanager
def answering(status: int) -> Iterator[int]:
    """Serve every request with a status on a free port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def started(run_dir: Path, query_port: int, management_port: int) -> Path:
    config = ClipperConfig(run_dir, listen=ListenConfig(query_port=query_port, management_port=management_port))
    config.write()
    return run_dir


def test_clipper_whose_ports_both_answer_is_well(tmp_path: Path) -> None:
    with answering(200) as query, answering(200) as management:
        assert trouble(started(tmp_path, query, management)) == ""


@pytest.mark.parametrize(("of_query", "of_management", "told"), [(503, 200, "queries"), (200, 503, "management")])
def test_port_that_answers_with_an_error_is_named(tmp_path: Path, of_query: int, of_management: int, told: str) -> None:
    with answering(of_query) as query, answering(of_management) as management:
        assert trouble(started(tmp_path, query, management)).startswith(f"{told}: status 503 on port")


def test_port_that_does_not_answer_and_configuration_that_is_none_are_told(tmp_path: Path) -> None:
    with answering(200) as query:
        pass
    assert trouble(started(tmp_path, query, query)).startswith(f"queries: no answer on port {query}")
    (tmp_path / "config.json").write_text("{")
    assert trouble(tmp_path).startswith("its configuration cannot be read")
