"""The documents are true: snippets run, names resolve, links lead somewhere."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from clipper.metrics.names import METRICS
from tests.support.document_tables import published_name
from tests.support.repository import ROOT, files, text_of
from tests.support.run_document import blocks_of

DOCUMENTS = [path for path in files(".md") if path.parts[0] not in {"build", ".ci"}]
RUN_LIMIT_S = 150  # of a document that hangs: each of its commands has a limit, and a busy machine takes its time
PACKAGES_OF_OTHERS = {"clipper_admin"}  # the original system's
NAMES_OF_DOCKER = {"clipper_network", "clipper_rpc_port"}  # a network and an argument, as the original calls them


def runs(path: Path) -> bool:
    """Whether there is anything to run in a document."""
    return any(block.runs for block in blocks_of(text_of(path)))


@pytest.mark.timeout(RUN_LIMIT_S + 30)
@pytest.mark.parametrize("path", [path for path in DOCUMENTS if runs(path)], ids=str)
def test_document_runs_as_its_reader_would_run_it(path: Path, tmp_path: Path) -> None:
    # A process of its own: what the document starts ends with it.
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.run_document", str(path)], cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=RUN_LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def without_fences(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def resolves(dotted: str) -> bool:
    """Whether a dotted name is a module, an attribute (of an attribute ...) of one, or a logger."""
    if dotted in loggers():
        return True
    pieces = dotted.split(".")
    for length in range(len(pieces), 0, -1):
        try:
            value: object = importlib.import_module(".".join(pieces[:length]))
        except ModuleNotFoundError:
            continue
        for name in pieces[length:]:
            if not hasattr(value, name):
                return False
            value = getattr(value, name)
        return True
    return False


@cache
def loggers() -> frozenset[str]:
    return frozenset(re.findall(r'getLogger\("([\w.]+)"\)', code()))


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_names_and_paths_in_backticks_exist(path: Path) -> None:
    text = without_fences(text_of(path))
    quoted = set(re.findall(r"`([^`\n]+)`", text))
    top = r"(?:clipper|model_containers|bench|tests|docs|cmake|compose|scripts|\.ci)"
    paths = {q for q in quoted if re.fullmatch(top + r"/[\w./-]*", q)}
    names = {q.removesuffix("()") for q in quoted if re.fullmatch(r"(?:clipper|model_containers)\.[\w.]+(?:\(\))?", q)}
    missing = [name for name in sorted(paths) if not exists(name)]
    missing += [name for name in sorted(names) if not resolves(name)]
    assert not missing, f"{path} speaks of {missing}, which do not exist"


def exists(name: str) -> bool:
    """Whether a path is there; a name without its suffix (`clipper/_core/rpc_codec`) stands for all of its files."""
    whole = ROOT / name
    return whole.exists() or any(whole.parent.glob(f"{whole.name}.*"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_relative_links_lead_to_a_file(path: Path) -> None:
    targets = re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", without_fences(text_of(path)))
    local = [target for target in targets if not re.match(r"[a-z]+:", target)]
    missing = [target for target in local if not (ROOT / path.parent / target).exists()]
    assert not missing, f"{path} links to {missing}"


def hop_table() -> list[list[str]]:
    rows = [line for line in text_of(Path("docs/architecture.md")).splitlines() if re.match(r"\| \d+ ", line)]
    return [row.split("|") for row in rows]


def test_hop_table_names_files_of_the_core() -> None:
    assert len(hop_table()) == 10
    named = [name for row in hop_table() for name in re.findall(r"`(\w+)`", row[4])]
    missing = [name for name in named if not exists(f"clipper/_core/{name}")]
    assert not missing, f"the hop table names {missing}"


def test_every_class_of_the_core_that_a_hop_names_is_in_a_file_of_that_hop() -> None:
    missing: list[str] = []
    for row in hop_table():
        stems = re.findall(r"`(\w+)`", row[4])
        paths = [path for path in files(".hpp", ".pyx", ".py", under=("clipper",)) if path.stem in stems]
        sources = "\n".join(text_of(path) for path in paths)
        named = re.findall(r"`(\w+)`", row[5]) if stems else []
        missing += [name for name in named if not re.search(rf"\b(?:class|struct) {name}\b", sources)]
    assert not missing, f"the hop table names {missing}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_class_names_in_backticks_are_defined_somewhere(path: Path) -> None:
    quoted = re.findall(r"`([A-Z][a-z0-9]+(?:[A-Z][a-z0-9]+)+)`", without_fences(text_of(path)))
    missing = sorted({name for name in quoted if name not in defined_classes()})
    assert not missing, f"{path} speaks of {missing}, which no file defines"


@cache
def defined_classes() -> frozenset[str]:
    sources = files(".py", ".pyx", ".hpp", under=("clipper", "model_containers", "bench", "tests"))
    pattern = r"\b(?:class|struct|enum class) (?:alignas\(\d+\) )?(\w+)"
    return frozenset(name for path in sources for name in re.findall(pattern, text_of(path)))


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_metric_names_in_backticks_are_published(path: Path) -> None:
    quoted = re.findall(r"`([^`\n]+)`", without_fences(text_of(path)))
    named = {name for text in quoted for name in re.findall(r"(?<![\w./-])clipper_[a-z_]+", text)}
    missing = named - {published_name(metric) for metric in METRICS} - PACKAGES_OF_OTHERS - NAMES_OF_DOCKER
    assert not missing, f"{path} speaks of {sorted(missing)}, which no scrape shows"


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_limit_names_in_backticks_are_fields_of_some_options(path: Path) -> None:
    quoted = set(re.findall(r"`([a-z]+(?:_[a-z]+)*_(?:us|bytes))`", without_fences(text_of(path))))
    limits = {name for name in quoted if not name.startswith("clipper_")}
    missing = sorted(name for name in limits if not re.search(rf"\b{name}\b", code()))
    assert not missing, f"{path} speaks of {missing}, which no file has"


@cache
def code() -> str:
    return "\n".join(text_of(path) for path in files(".py", ".pyx", ".hpp", under=("clipper", "model_containers")))
