"""Run a document as its reader would: ``python -m tests.support.run_document README.md``.

Its Python blocks run in order in one interpreter, so that one Clipper serves the whole document; its console blocks run
in a shell while that Clipper is up, and print what the document shows. The words after the language:

| block | what happens |
|---|---|
| ``python`` | it runs; a ``text`` block right behind it is what it prints |
| ``python fragment`` | it is compiled only |
| ``python file=NAME`` | it is written to NAME in the working directory |
| ``console`` | each ``$ command`` runs; the lines below it are its output, and ``...`` is any number of lines |
| ``console fragment`` | nothing |

Four things differ from what the reader has. Clipper takes free ports, and the documents' 1337 and 1338 stand for them;
a cluster of `clipper.admin` and ``clipper start`` take free ports too, and keep their state in a directory that is
removed at the end; it stands for ``~/.local/state``. What the document writes can be imported by what it starts: the
working directory stands in PYTHONPATH.
Latency objectives below a second become a second: on a busy machine a default output says nothing about the document.
And ids, dates, measured times and which replica it was are not compared.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipper import Clipper
from clipper.config import CONFIG_FILE_NAME, default_run_dir, read_config
from tests.support.repository import ROOT

BLOCK = re.compile(r"^```(python|console|text)([^\n]*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SLO_US = 1_000_000
COMMAND_LIMIT_S = 20
LOG_LIMIT_S = 5
# The entry point of this very tree, installed or not.
CLIPPER_FUNCTION = f'''
clipper() {{ "{sys.executable}" -m clipper "$@"; }}
python() {{ "{sys.executable}" "$@"; }}
'''
VARIES = (
    (re.compile(r'("?query_id"?[:=] ?)\d+'), r"\1ID"),
    (re.compile(r"^Date: .*$", re.MULTILINE), "Date: DATE"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"),
    (re.compile(r"(\w_us=)\d+"), r"\1US"),
    (re.compile(r"(replica_id=\S+:)\d+"), r"\1INDEX"),
    (re.compile(r"\bpid \d+(, for \d+ \w+)?"), "pid PID"),
)


class DocumentError(Exception):
    """The document does not say what happens."""


@dataclass(frozen=True)
class Block:
    """One fenced block: language, the word behind it, text, line of its first line of text."""

    language: str
    info: str
    text: str
    line: int

    @property
    def runs(self) -> bool:
        """Whether the block does anything here."""
        return self.language != "text" and self.info != "fragment"


def blocks_of(document: str) -> list[Block]:
    """Return the blocks that this module knows, in order."""
    return [
        Block(match[1], match[2].strip(), match[3], document.count("\n", 0, match.start()) + 2)
        for match in BLOCK.finditer(document)
    ]


class Reader:
    """Goes through one document, in the current directory."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        self.started: list[Clipper] = []
        self._printed: str | None = None  # by the block before

    def read(self, document: str) -> None:
        """Run every block.

        Raises
        ------
        DocumentError
            A block has an unknown word, or something else comes out than the document shows.
        """
        for block in blocks_of(document):
            printed, self._printed = self._printed, None
            if block.language == "python":
                self._python(block)
            elif block.language == "console":
                self._console(block)
            elif printed is not None and not matches(block.text, printed):
                raise DocumentError(f"{self._at(block)}: what is printed is\n{printed}")

    def _at(self, block: Block) -> str:
        return f"{self.name}:{block.line}"

    def _python(self, block: Block) -> None:
        # Behind as many empty lines as stand above it in the document: a traceback then tells the document's line.
        code = compile("\n" * (block.line - 1) + block.text, self.name, "exec")
        if block.info.startswith("file="):
            Path(block.info.removeprefix("file=")).write_text(block.text)
        elif block.info == "":
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(code, self.namespace)  # the repository's own documents
            self._printed = self._with_documents_ports(printed.getvalue())
        elif block.info != "fragment":
            raise DocumentError(f"{self._at(block)}: unknown word {block.info!r} after ```python")

    def _console(self, block: Block) -> None:
        if block.info == "fragment":
            return
        for command, shown in commands_of(block.text):
            printed = self._result(command)
            # A log is written in its time, behind the answer that it tells of.
            deadline_s = time.monotonic() + LOG_LIMIT_S
            while command.startswith("grep ") and not matches(shown, printed) and time.monotonic() < deadline_s:
                time.sleep(0.05)
                printed = self._result(command)
            if not matches(shown, printed):
                raise DocumentError(
                    f"{self._at(block)}: $ {command}\nprints\n{printed}\nand the document says\n{shown}"
                )

    def _result(self, command: str) -> str:
        return self._with_documents_ports(self._run(self._with_real_ports(command)))

    def _run(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", f"{CLIPPER_FUNCTION}\n{command}"],
            capture_output=True, text=True, timeout=COMMAND_LIMIT_S, check=False,
        )  # fmt: skip
        if done.returncode != 0 and not (command.startswith("grep ") and done.returncode == 1):  # nothing found, yet
            raise DocumentError(f"{self.name}: $ {command}\nends with code {done.returncode}\n{done.stderr}")
        return done.stdout

    def _urls(self) -> list[tuple[str, str]]:
        if self.started:
            clipper = self.started[-1]
            return [("http://127.0.0.1:1337", clipper.query_url), ("http://127.0.0.1:1338", clipper.management_url)]
        run_dir = default_run_dir(os.environ)
        if not (run_dir / CONFIG_FILE_NAME).exists():
            return []
        listen = read_config(run_dir).listen  # `clipper start` has written it
        return [("http://127.0.0.1:1337", listen.query_url), ("http://127.0.0.1:1338", listen.management_url)]

    def _with_real_ports(self, text: str) -> str:
        for shown, real in self._urls():
            text = text.replace(shown, real)
        return text

    def _with_documents_ports(self, text: str) -> str:
        for shown, real in self._urls():
            text = text.replace(real, shown)
        return text.replace(str(default_run_dir(os.environ).parents[1]), "~/.local/state")

    @contextlib.contextmanager
    def on_free_ports(self) -> Iterator[None]:
        """Let every Clipper take free ports and time, and stop those that are up at the end."""
        patched: Any = Clipper
        start, connect, register = patched.start.__func__, patched.connect.__func__, patched.register_application

        def start_on_free_ports(kind: type[Clipper], /, *_ports: int, **options: Any) -> Clipper:
            clipper: Clipper = start(kind, **{**options, "query_port": 0, "management_port": 0})
            self.started.append(clipper)
            return clipper

        def connect_to_real_port(kind: type[Clipper], /, url: str = "http://127.0.0.1:1338", **options: Any) -> Clipper:
            connected: Clipper = connect(kind, self._with_real_ports(url), **options)
            return connected

        def register_with_time(clipper: Clipper, name: str, *values: Any, **options: Any) -> None:
            given = options.pop("latency_slo_us", None) or values[2]
            register(clipper, name, *values[:2], latency_slo_us=max(given, SLO_US), **options)

        patched.start = classmethod(start_on_free_ports)
        patched.connect = classmethod(connect_to_real_port)
        patched.register_application = register_with_time
        try:
            yield
        finally:
            for clipper in self.started:
                clipper.stop()


def commands_of(text: str) -> list[tuple[str, str]]:
    """Return (command, output below it) of each line that starts with ``$``."""
    pieces = re.split(r"^\$ (.*)\n", text, flags=re.MULTILINE)
    return list(zip(pieces[1::2], pieces[2::2], strict=True))


def matches(shown: str, printed: str) -> bool:
    """Whether the output is what the document shows."""
    lines = [r"(?:.*\n)*" if line == "...\n" else re.escape(line) for line in _lines_without_what_varies(shown)]
    return re.fullmatch("".join(lines), "".join(_lines_without_what_varies(printed))) is not None


def _lines_without_what_varies(text: str) -> list[str]:
    for pattern, replacement in VARIES:
        text = pattern.sub(replacement, text)
    return [line.rstrip() + "\n" for line in text.strip("\n").splitlines()]


def main(path: str) -> int:
    """Read one document, named relative to the repository."""
    reader = Reader(path)
    with tempfile.TemporaryDirectory(prefix="clipper-") as state_home, reader.on_free_ports():
        os.environ.update(
            XDG_STATE_HOME=state_home,
            CLIPPER_LISTEN__QUERY_PORT="0",
            CLIPPER_LISTEN__MANAGEMENT_PORT="0",
            PYTHONPATH=os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(Path.cwd())])),
        )
        try:
            reader.read((ROOT / path).read_text(encoding="utf-8"))
        finally:
            subprocess.run([sys.executable, "-m", "clipper", "stop", "--force"], capture_output=True, check=False)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main(sys.argv[1]))
