"""What was learned survives management: a real one is killed while observations flow."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.procfs import processes_of
from clipper import Clipper
from clipper.config import FrontendConfig
from clipper.selection.learner_document import learner_key, split_context_key
from clipper.state.open import LEARNER, open_store
from clipper.supervisor.launch import make_run_dir
from tests.support.learning import Diary
from tests.support.processes import SUPPORT, make_config, pid_of, wait_until, watch_deaths

pytestmark = pytest.mark.timeout(120)
COUNT = 1_500
CONTEXTS = 7
KILLS = 2


@contextlib.contextmanager
def started() -> Iterator[tuple[Clipper, Path]]:
    run_dir = make_run_dir()
    config = make_config(run_dir, sys.executable, learner_flush_interval_us=50_000)
    frontend = FrontendConfig(command=(sys.executable, str(SUPPORT / "observing_frontend.py")))
    try:
        with Clipper.start(config=replace(config, frontend=frontend)) as clipper:
            yield clipper, run_dir
        assert processes_of(run_dir) == {}, "processes were left behind"
    finally:
        shutil.rmtree(run_dir, ignore_errors=True)


def ask(clipper: Clipper, method: str, path: str, body: Any = None) -> Any:
    answer = httpx.request(method, f"{clipper.management_url}/api/v1/{path}", json=body, trust_env=False, timeout=20)
    answer.raise_for_status()
    return answer.json()


def observed(run_dir: Path) -> int:
    with contextlib.suppress(FileNotFoundError, ValueError):  # ValueError: it is being written
        return int((run_dir / "observed").read_text())
    return 0


def kill_management(run_dir: Path) -> None:
    pid = pid_of(run_dir, "clipper.management")
    with watch_deaths([pid]) as survivors:
        os.kill(pid, signal.SIGKILL)
        assert survivors(10) == []


def test_management_that_is_killed_again_and_again_folds_every_observation_once_in_order() -> None:
    with started() as (clipper, run_dir):
        body = {"name": "app", "input_type": "doubles", "default_output": 0, "latency_slo_us": 20_000}
        learning = {"per_context": True, "max_contexts": 3}
        ask(clipper, "POST", "applications", {**body, "policy": {"name": Diary.name}, "learning": learning})
        for model in ("a", "b"):
            clipper.deploy_model(model, 1, container="fake")
            clipper.link_model_to_app("app", model)
        (run_dir / "observe.json").write_text(json.dumps({"application": "app", "count": COUNT, "contexts": CONTEXTS}))
        for kill in range(1, KILLS + 1):
            wait_until(lambda reached=kill * COUNT // (KILLS + 1): observed(run_dir) >= reached, 60)  # type: ignore[misc]
            kill_management(run_dir)
        wait_until(lambda: observed(run_dir) >= COUNT, 60)
        policy = ask(clipper, "GET", "applications/app/policy")
        assert policy["observations"] == COUNT and policy["contexts"] == CONTEXTS
        assert policy["plan"]["models"] == ["a:1", "b:1"]
        assert ask(clipper, "GET", "applications/app/policy?context=user-3")["context"] == "user-3"
        clipper.stop()
        store = open_store("", run_dir, part=LEARNER)
        documents = store.load().documents
        store.close()
    expected = list(range(1, COUNT + 1))
    assert json.loads(documents[learner_key("app")]["state"])["ids"] == expected
    contexts = {split_context_key(key): document for key, document in documents.items() if key.startswith("context/")}
    assert len(contexts) == CONTEXTS
    for split, document in contexts.items():
        assert split is not None
        number = int(split[1].removeprefix("user-")) or CONTEXTS
        # What everybody had taught when the context came, and its own since.
        own = [each for each in expected if each % CONTEXTS == number % CONTEXTS]
        assert json.loads(document["state"])["ids"] == [*range(1, number), *own]
