"""The tables of docs/gpu.md, rendered from recorded runs and the code: ``python -m tests.support.gpu_tables``."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.preprocessing import device_record, report, run_record
from model_containers.gpu.settings import PREFIX, GpuSettings
from model_containers.gpu.steps import CONVERSIONS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "gpu.md"
RECORDS = ROOT / "bench" / "preprocessing" / "records"
TABLE = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
MEANINGS = {
    "device": "where inputs are prepared: `cpu`, `cuda` or `cuda:NUMBER`",
    "network_device": "where the network computes; empty: where inputs are prepared",
    "piece_items": "inputs at a time: the next are decoded and copied while these are computed",
    "memory_ratio": "of the device's memory, that the replica keeps to: set by `gpus=0.5`; 1: no limit",
    "decode_threads": "inputs decoded, and copied into pinned memory, at a time",
}


def tables() -> dict[str, str]:
    """Return every table by name."""
    run = run_record.load(RECORDS / "preprocessing-h100.json")
    page = report.render(run)
    return {
        "claims": device_record.render(device_record.load(RECORDS / "device-tests-h100.json")),
        "rates": page.partition("\n\n")[2],
        "settings": _rows(
            ("variable", "default", "meaning"),
            ((f"`{PREFIX}{field.name.upper()}`", f"`{field.default}`" if field.default else "", MEANINGS[field.name])
             for field in dataclasses.fields(GpuSettings)),
        ),
        "conversions": ", ".join(f"`{name}`" for name in CONVERSIONS) + "\n",
    }  # fmt: skip


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [list(head), ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def with_tables(text: str) -> str:
    """Return the document with its tables as they should be."""
    found = tables()
    return TABLE.sub(lambda match: f"{match[1]}{found[match[2]]}{match[3]}", text)


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
