"""docs/rpc-protocol.md and docs/containers.md say what the code says."""

from __future__ import annotations

import re

from model_containers import settings, wire
from model_containers.simulated.container import SimulatedSettings
from tests.support.rpc_tables import DOCUMENT, TABLE, tables, with_tables

CONTAINERS = DOCUMENT.with_name("containers.md").read_text()


def test_rpc_document_tables_are_as_the_code_renders_them() -> None:
    text = DOCUMENT.read_text()
    assert with_tables(text) == text, "run: python -m tests.support.rpc_tables"
    assert {match.group(2) for match in TABLE.finditer(text)} == set(tables())


def test_rpc_document_numbers_are_the_limits_of_the_code() -> None:
    text = DOCUMENT.read_text()
    limits = settings.ContainerLimits()
    for claim in (
        f"{wire.HEADER_BYTES} bytes, without padding",
        f"at most {wire.MAX_REGISTER_BYTES:,} bytes",
        f"1 to {wire.MAX_RANK} of them",
        f"nested no deeper than {wire.MAX_JSON_DEPTH}",
        f"at most {wire.MAX_CAUSE_BYTES:,} bytes",
        f"every {limits.heartbeat_interval_us // 1000} ms",
        f"every {limits.heartbeat_interval_us // 2000} ms until",
        f"After {limits.frontend_silence_us // 1_000_000} s without",
        f"After {limits.orphan_exit_us // 1_000_000} s without",
        f"after {limits.drain_answer_us // 1000} ms without one",
    ):
        assert claim in text


def test_containers_document_names_every_limit_exit_code_and_parameter() -> None:
    for limit in settings.ContainerLimits.__dataclass_fields__:
        assert settings.LIMIT_PREFIX + limit.upper() in CONTAINERS
    for name in SimulatedSettings.__dataclass_fields__:
        assert f"_{name.upper()}`" in CONTAINERS
    codes = {value for name, value in vars(settings).items() if name.startswith("EXIT_")}
    assert {int(code) for code in re.findall(r"^\| (\d) \|", CONTAINERS, re.MULTILINE)} == codes
