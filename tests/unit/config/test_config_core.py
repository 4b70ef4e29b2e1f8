"""What the core and the containers know by themselves agrees with what a user may set."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from pathlib import Path

import pytest

from clipper._core import query_processor, rpc_liveness, rpc_server, slot_pool
from clipper._core.http_limits import HttpLimits
from clipper.config import ClipperConfig, CoreConfig, HttpConfig, RpcConfig
from clipper.frontend.__main__ import main as frontend_main
from clipper.frontend.worker import Worker, WorkerOptions
from model_containers.settings import ContainerLimits


def test_http_options_are_the_limits_of_the_core_with_its_defaults() -> None:
    assert dataclasses.asdict(HttpConfig()) == dataclasses.asdict(HttpLimits())


def test_defaults_of_the_data_path_are_those_of_its_parts() -> None:
    core, rpc = CoreConfig(), RpcConfig()
    assert core.slot_count == slot_pool.DEFAULT_SLOT_COUNT
    assert core.arena_bytes == slot_pool.DEFAULT_ARENA_BYTES
    assert core.reply_margin_us == query_processor.DEFAULT_REPLY_MARGIN_US
    assert rpc.heartbeat_interval_us == rpc_server.DEFAULT_HEARTBEAT_INTERVAL_US
    assert rpc.look_interval_us == rpc_liveness.DEFAULT_LOOK_INTERVAL_US
    assert rpc.heartbeat_timeout_us == rpc_liveness.DEFAULT_SILENCE_LIMIT_US
    assert rpc.overdue_floor_us == rpc_liveness.DEFAULT_OVERDUE_FLOOR_US
    assert rpc.first_batch_limit_us == rpc_liveness.DEFAULT_FIRST_BATCH_LIMIT_US


def test_bounds_of_the_heartbeats_leave_containers_two_of_them() -> None:
    about = {field.name: field.metadata["option"] for field in dataclasses.fields(RpcConfig)}
    assert about["heartbeat_interval_us"].maximum * 2 <= ContainerLimits().frontend_silence_us
    assert about["heartbeat_timeout_us"].minimum >= 2 * ContainerLimits().heartbeat_interval_us


def test_worker_builds_its_data_path_as_configured(tmp_path: Path) -> None:
    config = ClipperConfig(
        tmp_path,
        http=HttpConfig(max_body_bytes=1000, max_connections=7),
        core=CoreConfig(slot_count=64, arena_bytes=1 << 20, cache_bytes=1 << 20, reply_margin_us=100),
        rpc=RpcConfig(
            heartbeat_interval_us=20_000,
            look_interval_us=30_000,
            heartbeat_timeout_us=1_000_000,
            overdue_floor_us=5_000_000,
            first_batch_limit_us=6_000_000,
        ),
    )

    async def build() -> None:
        core = Worker(WorkerOptions(0, -1, config)).core
        try:
            assert core.server.limits == HttpLimits(max_body_bytes=1000, max_connections=7)
            assert core.cache.budget_bytes == 1 << 20
            assert core.rpc.heartbeat_interval_us == 20_000
            assert core.rpc.liveness.look_interval_us == 30_000
            assert core.rpc.liveness.silence_limit_us == 1_000_000
            assert core.rpc.liveness.overdue_floor_us == 5_000_000
            assert core.rpc.liveness.first_batch_limit_us == 6_000_000
        finally:
            core.rpc.close()
            asyncio.get_running_loop().remove_reader(core.timer.file_descriptor)

    asyncio.run(build())


@pytest.mark.parametrize("error", [MemoryError(), OSError(12, "Cannot allocate memory")])
def test_memory_that_the_machine_does_not_give_is_told_by_the_options_that_ask_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def refuse(*_: int) -> None:
        raise error

    monkeypatch.setattr("clipper.frontend.wiring.PredictionCacheHandle", refuse)
    arguments = ["--worker", "0", "--run-dir", str(tmp_path), "--query-fd", "-1"]
    assert frontend_main(arguments) == os.EX_CONFIG
    asked_for = "core.arena_bytes=67108864, core.cache_bytes=33554432 and core.decision_log_bytes=67108864"
    assert f"{asked_for} (choose less of them)" in caplog.text


def test_worker_without_a_readable_configuration_ends_with_the_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert frontend_main(["--worker", "0", "--run-dir", str(tmp_path), "--query-fd", "-1"]) == os.EX_CONFIG
    assert "config.json is not a configuration of this version of Clipper" in caplog.text
