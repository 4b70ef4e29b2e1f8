"""Run the device tests and record what was seen: ``python -m bench.preprocessing.device_record FILE.json``.

docs/gpu.md shows the record: ``--render FILE.json`` prints its table.
"""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.machine import Machine, describe_machine
from bench.preprocessing.measure import device_name, installed_versions
from bench.record_file import read_record, write_record

ROOT = Path(__file__).resolve().parents[2]
TESTS = "tests/device"
LIMIT_S = 540
SCHEMA = 1


@dataclass(frozen=True)
class Claim:
    """One test function: its name says what holds."""

    file: str
    name: str
    cases: int
    passed: int
    skipped: str  # why, of those that were left out

    @property
    def sentence(self) -> str:
        """The claim in words."""
        return self.name.removeprefix("test_").replace("_", " ")


@dataclass(frozen=True)
class DeviceRecord:
    """What was seen on a device."""

    machine: Machine
    device: str
    versions: dict[str, str]
    claims: tuple[Claim, ...]


def record(commit: str = "") -> DeviceRecord:
    """Run the tests here."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "junit.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={file}", TESTS]
        subprocess.run(command, cwd=ROOT, timeout=LIMIT_S, check=False)
        claims = _claims(file)
    machine = describe_machine()
    if commit:
        machine = dataclasses.replace(machine, commit=commit)
    return DeviceRecord(machine, device_name(), installed_versions(), claims)


def _claims(junit: Path) -> tuple[Claim, ...]:
    found: dict[tuple[str, str], list[ElementTree.Element]] = {}
    for case in ElementTree.parse(junit).iter("testcase"):
        name = case.get("name", "").partition("[")[0]
        found.setdefault((case.get("classname", "").rpartition(".")[2], name), []).append(case)
    return tuple(_claim(file, name, cases) for (file, name), cases in found.items())


def _claim(file: str, name: str, cases: Sequence[ElementTree.Element]) -> Claim:
    reasons = {skip.get("message", "") for case in cases for skip in case.iter("skipped")}
    bad = sum(any(part.tag in ("failure", "error", "skipped") for part in case) for case in cases)
    return Claim(file, name, len(cases), len(cases) - bad, "; ".join(sorted(reasons)))


def save(found: DeviceRecord, file: Path) -> None:
    """Write a record."""
    write_record(found, SCHEMA, file)


def load(file: Path) -> DeviceRecord:
    """Read a record back.

    Raises
    ------
    ValueError
        If the file was written by another version of this module.
    """
    content = read_record(SCHEMA, file)
    machine, claims = Machine(**content.pop("machine")), tuple(Claim(**claim) for claim in content.pop("claims"))
    return DeviceRecord(machine=machine, claims=claims, **content)


def render(found: DeviceRecord) -> str:
    """Return what docs/gpu.md shows."""
    versions = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    lines = [
        f"{found.device}, {found.machine.started_at} UTC, commit {found.machine.commit[:8]}; Python "
        f"{found.machine.python}; {versions}.",
        "",
        "| claim | cases | held |",
        "|---|---:|---|",
    ]
    for claim in found.claims:
        held = "yes" if claim.passed == claim.cases else f"{claim.passed} of {claim.cases}"
        lines.append(f"| {claim.sentence} | {claim.cases} | {held if not claim.skipped else claim.skipped} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Record, or render a record."""
    parser = argparse.ArgumentParser(prog="python -m bench.preprocessing.device_record", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--render", action="store_true", help="only print the table of a record")
    parser.add_argument("--commit", default="", help="to record, where this is no checkout")
    options = parser.parse_args(arguments)
    if not options.render:
        save(record(options.commit), options.file)
    found = load(options.file)
    sys.stdout.write(render(found))
    return 0 if all(claim.passed == claim.cases or claim.skipped for claim in found.claims) else 1


if __name__ == "__main__":
    sys.exit(main())
