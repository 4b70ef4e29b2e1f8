"""The reliability harness: every request ends in one way, the table has every row, and a check that fails shows."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.document import replace_between
from bench.reliability.__main__ import run_row
from bench.reliability.client import Client, Outcome, response_end
from bench.reliability.containers import DOCKER, KINDS
from bench.reliability.context import Bench, NotInTimeError
from bench.reliability.load import Account
from bench.reliability.report import DOCUMENT, RECORDS, WRITTEN_BY, load_record, render, save_record
from bench.reliability.scenario import Row, load_rows

ANSWER = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s"


def answer(status: int, **body: object) -> bytes:
    text = json.dumps(body).encode()
    return ANSWER % (status, len(text), text)


class ScriptedServer:
    """Answers requests by their number, each connection on a thread of its own."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            received = b""
            while data := connection.recv(4096):
                received += data
                while found := re.search(rb'\r\n\r\n\{"input":\[(\d+)\.5\]\}', received):
                    received = received[found.end() :]
                    number = int(found[1])
                    if number == 5:
                        return
                    connection.sendall(self._answer(number))

    def _answer(self, number: int) -> bytes:
        right = answer(200, output=number + 0.5, default=False)
        return {
            2: answer(200, output=1.5, default=False),
            3: answer(200, output="default", default=True),
            4: answer(503, error="overloaded"),
            6: right + right,
            7: b"",
        }.get(number, right)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    running = ScriptedServer()
    yield running
    running.close()


def test_every_request_ends_in_the_way_in_which_it_was_answered(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.reliability.client.DRAIN_S", 0.0)
    client = Client(server.port, "app", rate_per_s=200, limit_s=0.3)
    read_fd, write_fd = os.pipe()
    ending = threading.Timer(0.2, os.close, [write_fd])
    ending.start()
    client.run(read_fd)
    ending.join()
    os.close(read_fd)
    account = Account.read(client.records.tobytes())
    seen = Counter({outcome: account.count(outcome) for outcome in Outcome})
    assert seen[Outcome.ANSWERED] == account.requests - 5
    assert {outcome: seen[outcome] for outcome in Outcome if outcome != Outcome.ANSWERED} == dict.fromkeys(
        [Outcome.DEFAULT, Outcome.REFUSED, Outcome.WRONG, Outcome.LOST, Outcome.UNANSWERED, Outcome.EXTRA], 1
    )
    assert account.unaccounted == 4  # all but the default and the refusal
    assert len(account.latencies_us) == seen[Outcome.ANSWERED] and account.latencies_us.min() >= 0


def test_response_is_whole_with_its_last_byte_and_not_before() -> None:
    whole = answer(200, output=1)
    for cut in range(len(whole)):
        assert response_end(bytearray(whole[:cut])) == (0, 0)
    assert response_end(bytearray(whole + b"more"))[1] == len(whole)


def row_of(run: object) -> Row:
    return Row("row", "family", "it breaks", "it holds", run, 1)  # type: ignore[arg-type]


def test_row_that_raises_or_fails_a_check_does_not_hold_and_the_table_says_so(tmp_path: Path) -> None:
    def fails(bench: Bench) -> None:
        bench.check("latency", "9 | 10 ms", False, is_timed=True)

    def waits(bench: Bench) -> None:
        bench.wait_until(lambda: False, 0.0, "what never comes")

    record = tmp_path / "record.json"
    for run, text in ((fails, "latency: 9 / 10 ms"), (waits, "broke off: NotInTimeError: what never comes did not")):
        result = run_row(Bench(), row_of(run))
        assert not result.holds
        table = render({"row": row_of(run)}, save_record([result], record))
        assert text in table and "**no**" in table
    assert load_record(record)["row"].error.startswith(NotInTimeError.__name__)


def test_row_whose_program_is_missing_is_left_out_with_its_install_line() -> None:
    row = Row("row", "family", "it breaks", "it holds", lambda _bench: None, 1, ("no-such-program", "install it"))
    result = run_row(Bench(), row)
    assert "install it" in result.missing and not result.holds


@pytest.mark.parametrize("kind", KINDS)
def test_table_of_the_document_is_what_was_recorded(kind: str) -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    table = render(load_rows(kind), load_record(RECORDS[kind]), kind)
    assert replace_between(document, WRITTEN_BY[kind], table) == document, f"run: {WRITTEN_BY[kind]}"


def test_row_is_told_in_the_words_of_where_its_replicas_run() -> None:
    row = Row("row", "family", "SIGSTOP", "it holds", lambda _bench: None, 1, kinds=KINDS, in_docker="docker pause")
    assert "| SIGSTOP |" in render({"row": row}, {}) and "| docker pause |" in render({"row": row}, {}, DOCKER)
    assert replace(row, in_docker="").scenario_in(DOCKER) == "SIGSTOP"
