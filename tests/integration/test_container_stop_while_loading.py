"""SIGTERM in the worst moments of a container's load: it is neither forgotten nor taken for something else."""

from __future__ import annotations

from pathlib import Path

from model_containers import settings
from tests.support.container_process import ContainerProcess

SCRIPT = """
import logging, os, signal, threading, time

from model_containers.container import ModelContainer
from model_containers.loop import serve


def stop():
    os.kill(os.getpid(), signal.SIGTERM)


{moment}


class Loading(ModelContainer):
    def load(self, settings):
        {load}

    def predict_batch(self, inputs):
        return [0.0 for _ in inputs]


serve(Loading())
"""
AS_THE_KEEPER_STARTS = """
class Thread(threading.Thread):
    def start(self):
        super().start()
        stop()


threading.Thread = Thread
"""
AS_THE_FAILURE_IS_LOGGED = """
class Stop(logging.Filter):
    def filter(self, record):
        if record.exc_info:
            stop()
        return True


logging.getLogger("model_containers").addFilter(Stop())
"""


def _run(tmp_path: Path, moment: str, load: str) -> tuple[int, str]:
    script = tmp_path / "container.py"
    script.write_text(SCRIPT.format(moment=moment, load=load))
    container = ContainerProcess(str(script), f"ipc://{tmp_path}/rpc.sock", tmp_path / "container.log", {})
    try:
        return container.wait(), container.log_text()
    finally:
        container.kill()


def test_container_sigterm_just_before_the_load_skips_it(tmp_path: Path) -> None:
    code, log = _run(tmp_path, AS_THE_KEEPER_STARTS, "time.sleep(60)")
    assert code == settings.EXIT_DONE
    assert "stopped while loading" in log


def test_container_sigterm_just_after_a_failed_load_does_not_hide_the_failure(tmp_path: Path) -> None:
    code, log = _run(tmp_path, AS_THE_FAILURE_IS_LOGGED, "raise ValueError('no such weights')")
    assert code == settings.EXIT_MODEL
    assert "ValueError: no such weights" in log
