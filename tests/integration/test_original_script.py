"""A script in the style of the original's examples/basic_query runs here; one import is all that was changed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.procfs import processes_of
from clipper.supervisor.launch import make_run_dir
from tests.support.repository import ROOT

pytestmark = pytest.mark.timeout(120)
IMPORTS = (
    "from clipper_admin import ClipperConnection, DockerContainerManager\n"
    "from clipper_admin.deployers import python as python_deployer\n",
    "from clipper.admin import ClipperConnection, ProcessContainerManager as DockerContainerManager\n"
    "from clipper.admin.deployers import python as python_deployer\n",
)
SCRIPT = """
from __future__ import print_function
from clipper_admin import ClipperConnection, DockerContainerManager
from clipper_admin.deployers import python as python_deployer
import json
import requests
import signal
import sys
import time
import numpy as np


def predict(addr, x, batch=False):
    url = "http://%s/basic-query/predict" % addr
    if batch:
        req_json = json.dumps({'input_batch': [list(row) for row in x]})
    else:
        req_json = json.dumps({'input': list(x)})
    headers = {'Content-type': 'application/json'}
    r = requests.post(url, headers=headers, data=req_json)
    print("status %d default %s" % (r.status_code, r.json().get("default", "batch")))
    sys.stdout.flush()
    return r.json()


def vector_sum(xs):
    return [str(sum(x)) for x in xs]


def stop(signal_number, frame):
    print("stopping")
    ClipperConnection(DockerContainerManager()).stop_all()
    sys.exit(0)


if __name__ == '__main__':
    signal.signal(signal.SIGINT, stop)
    clipper_conn = ClipperConnection(DockerContainerManager())
    clipper_conn.start_clipper()
    python_deployer.create_endpoint(clipper_conn, "basic-query", "doubles", vector_sum)
    addr = clipper_conn.get_query_addr()
    x = np.random.random(200)
    assert abs(predict(addr, x)["output"] - sum(x)) < 1e-6
    assert len(predict(addr, np.random.random((4, 200)), batch=True)["batch_predictions"]) == 4
    try:
        while True:
            predict(clipper_conn.get_query_addr(), np.random.random(200))
            time.sleep(0.01)
    except Exception as e:
        print(e)
        clipper_conn.stop_all()
"""


@pytest.fixture
def state_home() -> Iterator[Path]:
    directory = make_run_dir()
    yield directory
    shutil.rmtree(directory)


def test_script_for_the_original_runs_with_its_import_line_changed_and_stops_everything(state_home: Path) -> None:
    assert IMPORTS[0] in SCRIPT
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(state_home),
        "CLIPPER_LISTEN__QUERY_PORT": "0", "CLIPPER_LISTEN__MANAGEMENT_PORT": "0",
    }  # fmt: skip
    (state_home / "basic_query.py").write_text(SCRIPT.replace(*IMPORTS))
    with subprocess.Popen(
        [sys.executable, "basic_query.py"], cwd=state_home, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as script:  # fmt: skip
        try:
            assert script.stdout is not None
            lines = [script.stdout.readline() for _ in range(8)]
            script.send_signal(signal.SIGINT)
            rest = script.stdout.read()
            code = script.wait(60)
        finally:
            script.kill()
    assert code == 0, "".join(lines) + rest
    assert [line for line in lines if not re.fullmatch(r"status 200 default (False|batch)\n", line)] == [], lines
    assert "stopping" in rest
    assert processes_of(state_home) == {}
    assert not (state_home / "clipper" / "clusters" / "default-cluster").exists()
