"""The documents are true: snippets run, names resolve, links lead somewhere."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.repository import ROOT, files, text_of

DOCUMENTS = [path for path in files(".md") if path.parts[0] not in {"build", ".ci"}]
SNIPPET = re.compile(r"^```python([^\n]*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SNIPPET_LIMIT_S = 50


def snippets() -> list[tuple[str, str, str]]:
    """Find (id, info string, code) of each fenced Python block. ``python fragment`` is compiled, not executed."""
    found: list[tuple[str, str, str]] = []
    for path in DOCUMENTS:
        text = text_of(path)
        for match in SNIPPET.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append((f"{path}:{line}", match.group(1).strip(), match.group(2)))
    return found


@pytest.mark.parametrize(("info", "code"), [s[1:] for s in snippets()], ids=[s[0] for s in snippets()])
def test_python_snippet_runs_as_it_stands(info: str, code: str, tmp_path: Path) -> None:
    assert info in {"", "fragment"}, f"unknown word after ```python: {info!r}"
    compile(code, "snippet", "exec")
    if info == "fragment":
        return
    # A process of its own, as the reader would run it; what it starts must end with it.
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    script = tmp_path / "snippet.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True,
        timeout=SNIPPET_LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def without_fences(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def resolves(dotted: str) -> bool:
    """Whether a dotted name is a module, or an attribute (of an attribute ...) of one."""
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


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_names_and_paths_in_backticks_exist(path: Path) -> None:
    text = without_fences(text_of(path))
    quoted = set(re.findall(r"`([^`\n]+)`", text))
    top = r"(?:clipper|model_containers|bench|tests|docs|cmake|scripts|\.ci)"
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


def test_hop_table_names_files_of_the_core() -> None:
    rows = [line for line in text_of(Path("docs/architecture.md")).splitlines() if re.match(r"\| \d+ ", line)]
    assert len(rows) == 10
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[4])]
    missing = [name for name in named if not exists(f"clipper/_core/{name}")]
    assert not missing, f"the hop table names {missing}"
