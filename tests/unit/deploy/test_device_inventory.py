"""Which devices a machine has: as nvidia-smi lists them, as CUDA_VISIBLE_DEVICES limits them, as somebody says."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from clipper.config import ManagementConfig
from clipper.deploy.device_inventory import find_devices, parse_listing
from clipper.errors import InvalidArgumentError

LISTING = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-11aa)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-22bb)
  MIG 3g.20gb     Device  0: (UUID: MIG-33cc)
  MIG 3g.20gb     Device  1: (UUID: MIG-44dd)
GPU 10: Tesla T4 (UUID: GPU-55ee)
"""
ALL = ["GPU-11aa", "MIG-33cc", "MIG-44dd", "GPU-55ee"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """One whose nvidia-smi prints the listing."""
    (tmp_path / "listing").write_text(LISTING)
    return with_program(
        tmp_path, f'test "$1" = -L && while IFS= read -r line; do echo "$line"; done < {tmp_path}/listing'
    )


def with_program(directory: Path, script: str) -> dict[str, str]:
    program = directory / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"PATH": str(directory)}


def found(configured: tuple[str, ...], environment: dict[str, str]) -> list[str]:
    return [device.device_id for device in find_devices(configured, environment)]


def test_divided_device_stands_for_its_parts() -> None:
    listing = parse_listing(LISTING)
    assert [one.device_id for devices in listing.values() for one in devices] == ALL
    assert [one.name for one in listing["1"]] == ["NVIDIA A100-SXM4-40GB MIG 3g.20gb"] * 2
    assert parse_listing("No devices found.\n") == {}


def test_devices_are_all_that_the_driver_lists_or_what_clipper_may_see_of_them(environment: dict[str, str]) -> None:
    assert found((), environment) == ALL
    for visible, expected in (
        ("", []),
        ("-1", []),
        ("10, 0", ["GPU-55ee", "GPU-11aa"]),
        ("MIG-3,1", ["MIG-33cc", "MIG-44dd"]),
        ("GPU-2", []),  # it is divided
        ("0,GPU-77,10", ["GPU-11aa"]),
        ("0,0", ["GPU-11aa"]),
    ):
        assert found((), {**environment, "CUDA_VISIBLE_DEVICES": visible}) == expected, visible


def test_configured_devices_are_resolved_and_taken_as_they_are_where_nobody_knows_them(
    environment: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    assert found(("10", "GPU-11"), environment) == ["GPU-55ee", "GPU-11aa"]
    assert found(("0", "GPU-11aa"), environment) == ["GPU-11aa"]
    assert found(("none",), environment) == []
    assert find_devices(("10",), environment)[0].name == "Tesla T4"
    with caplog.at_level(logging.WARNING):
        assert found(("GPU-other",), environment) == ["GPU-other"]
    assert "no device 'GPU-other'" in caplog.text
    assert found(("0", "GPU-a"), {"PATH": "/nowhere", "CUDA_VISIBLE_DEVICES": ""}) == ["0", "GPU-a"]
    assert found((), {"PATH": "/nowhere", "CUDA_VISIBLE_DEVICES": "0"}) == []


def test_driver_that_does_not_answer_is_told_and_leaves_no_device(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    environment = with_program(tmp_path, "echo 'NVIDIA-SMI has failed'; exit 9")
    with caplog.at_level(logging.WARNING):
        assert found((), environment) == []
    assert "NVIDIA-SMI has failed" in caplog.text


@pytest.mark.parametrize("devices", [("",), ("GPU a",), ("a", "a"), ("none", "0"), ("0,1",), ("x" * 81,), ("-1",)])
def test_names_that_are_none_are_refused(devices: tuple[str, ...]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"gpu_devices=.*UUIDs and numbers"):
        ManagementConfig(gpu_devices=devices)


def test_names_of_every_kind_are_accepted() -> None:
    ManagementConfig(gpu_devices=("0", "GPU-8e2b0d2b-1a0c", "MIG-GPU-1f/1/0", "x" * 80))
