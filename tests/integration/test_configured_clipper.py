"""A running Clipper as its configuration file says: the limits are seen from outside, at their edges."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from clipper import Clipper
from clipper.config import LoadedConfig, load_config, read_config

MAX_BODY_BYTES = 1_000
CACHE_BYTES = 3 << 20
FILE = f"""
run_dir = "run"
[listen]
query_port = 0
management_port = 0
[http]
max_body_bytes = {MAX_BODY_BYTES}
[core]
cache_bytes = {CACHE_BYTES}
[rpc]
heartbeat_interval_us = 100_000
heartbeat_timeout_us = 1_000_000
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedConfig:
    file = tmp_path_factory.mktemp("config") / "clipper.toml"
    file.write_text(FILE)
    return load_config(file=file, environment={}, overrides={})


@pytest.fixture(scope="module")
def clipper(loaded: LoadedConfig) -> Iterator[Clipper]:
    with pytest.MonkeyPatch.context() as patch:
        # A program that embeds Clipper is asked alone: neither variables nor a file where it happens to run.
        patch.setenv("CLIPPER_HTTP__MAX_BODY_BYTES", "1")
        patch.setenv("CLIPPER_CORE__NO_SUCH_OPTION", "1")
        patch.chdir(loaded.config.run_dir.parent)
        with Clipper.start(config=loaded.config) as running:
            running.register_application("sums", "doubles", -1.0, 5_000_000)
            running.deploy_model("sum", 1, container="sum")
            running.link_model_to_app("sums", "sum")
            yield running


def body_of(size: int) -> bytes:
    start = json.dumps({"input": [1.0, 2.0]}).encode()
    return start + b" " * (size - len(start))


def test_body_of_the_configured_limit_is_served_and_one_byte_more_is_413(clipper: Clipper) -> None:
    with httpx.Client(base_url=clipper.query_url) as client:
        served = client.post("/sums/predict", content=body_of(MAX_BODY_BYTES))
        refused = client.post("/sums/predict", content=body_of(MAX_BODY_BYTES + 1))
    assert (served.status_code, served.json()["output"]) == (200, 3.0)
    assert (refused.status_code, refused.json()["error"]) == (413, "body_too_large")


def test_configured_cache_budget_is_the_one_that_metrics_show(clipper: Clipper) -> None:
    metrics = httpx.get(f"{clipper.query_url}/metrics").text
    (budget,) = re.findall(r"^clipper_cache_budget_bytes (\S+)$", metrics, re.MULTILINE)
    assert float(budget) == CACHE_BYTES


def test_running_instance_keeps_its_configuration_with_the_ports_that_it_got(
    clipper: Clipper, loaded: LoadedConfig
) -> None:
    kept = read_config(loaded.config.run_dir)
    assert loaded.config.run_dir == Path(str(loaded.file)).parent / "run"
    assert kept.listen.query_url == clipper.query_url
    assert (kept.http, kept.core, kept.rpc) == (loaded.config.http, loaded.config.core, loaded.config.rpc)
