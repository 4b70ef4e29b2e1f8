"""The harness caught in the act: wrong answers, dying servers, wrk's output, memory tracks, progress."""

from __future__ import annotations

import dataclasses
import io
import json
import sys
import textwrap
from typing import ClassVar

import pytest

from bench.answer_probe import AnswerProbe
from bench.loadgen.wrk import LoadError, parse_wrk
from bench.procfs import ChildCpu
from bench.soak import MemoryTrack, SoakResult
from bench.subjects.subject import Role, Site, Subject, SubjectError, WrongAnswerError
from bench.workloads import Workload, fit_linear_model
from clipper.bench.progress import Progress, format_duration

SERVER = textwrap.dedent(
    """
    import http.server, json, sys

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            numbers = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["input"]
            answer = json.dumps({"output": numbers[int(sys.argv[2])]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
    """
)


class Toy(Subject):
    """Answers NOOP with one of its numbers: the first is right."""

    name = "toy"
    role = Role.INLINE
    settings = "none"
    paths: ClassVar = {Workload.NOOP: "/noop"}
    answered_number = 0

    def missing(self) -> str | None:
        return None

    def version(self) -> str:
        return "1"

    def command(self) -> list[str]:
        return [sys.executable, "-S", "-c", SERVER, str(self.port), str(self.answered_number)]


class Liar(Toy):
    """Answers with the second number."""

    answered_number = 1


class Stillborn(Toy):
    """Dies at once."""

    def command(self) -> list[str]:
        return [sys.executable, "-S", "-c", "raise SystemExit('no such model')"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"), fit_linear_model())


def test_subject_that_answers_rightly_becomes_ready_and_leaves_no_process(site: Site) -> None:
    toy = Toy(site)
    toy.start()
    try:
        toy.wait_ready()
        toy.check(Workload.NOOP, 5)
        assert toy.pids()
    finally:
        toy.stop()
    assert toy.pids() == set()


def test_subject_that_answers_wrong_is_never_ready_and_names_the_answer(site: Site) -> None:
    liar = Liar(site)
    liar.start()
    try:
        while "model says" not in liar._not_ready:
            assert not liar.ready()
        with pytest.raises(WrongAnswerError, match=r"2\.5 to noop where the model says"):
            liar.check(Workload.NOOP, 1)
    finally:
        liar.stop()


def test_subject_that_dies_at_start_is_reported_with_its_log(site: Site) -> None:
    stillborn = Stillborn(site)
    stillborn.start()
    with pytest.raises(SubjectError, match="no such model"):
        stillborn.wait_ready()
    stillborn.stop()


def test_probe_beside_the_load_sees_wrong_answers(site: Site) -> None:
    liar = Liar(site)
    liar.start()
    try:
        while "model says" not in liar._not_ready:
            assert not liar.ready()
        template = liar.template(Workload.NOOP)
        assert template is not None
        with AnswerProbe(liar, Workload.NOOP, template) as probe:
            while not probe.asked:
                pass
        assert "where the model says" in probe.wrong[0]
    finally:
        liar.stop()


def test_counters_are_never_given_twice(site: Site) -> None:
    toy = Toy(site)
    first = toy.take_counters(10)
    assert toy.take_counters(5) == first + 10


def test_wrk_result_adds_up_its_kinds_of_errors() -> None:
    seen = {
        "requests": 100,
        "duration_us": 1_000_000,
        "bytes": 1,
        "connect": 0,
        "read": 1,
        "write": 0,
        "status": 9,
        "timeout": 0,
        "mean_us": 1.0,
        "p50_us": 1,
        "p90_us": 2,
        "p99_us": 3,
        "p999_us": 4,
        "max_us": 5,
    }
    result = parse_wrk(f"Running 1s test\nBENCH {json.dumps(seen)}\n", ChildCpu(1, 1))
    assert (result.requests, result.errors) == (100, 10)


def test_wrk_without_a_result_line_is_an_error() -> None:
    with pytest.raises(LoadError, match="unable to connect"):
        parse_wrk("unable to connect to 127.0.0.1", ChildCpu(1, 1))


def test_memory_track_that_stays_level_has_not_grown() -> None:
    track = MemoryTrack()
    for resident in [10, 50, *[60] * 18]:
        track.add(resident, resident)
    assert track.growth_bytes() == 0
    assert track.peak_bytes == 60


def test_memory_track_that_climbs_has_grown() -> None:
    track = MemoryTrack()
    for resident in range(100, 200):
        track.add(resident, resident + 5)
    assert track.growth_bytes() == 60
    assert track.peak_bytes == 204


def test_memory_of_a_process_that_is_gone_is_no_sample() -> None:
    track = MemoryTrack()
    track.add(0, 0)
    assert track.samples == []


def test_time_left_is_scaled_by_how_long_the_first_part_took() -> None:
    progress = Progress(total_cost=100, stream=io.StringIO(), started_s=0.0)
    assert progress.left_s(now_s=5) == 100
    progress.advance(25)
    assert progress.left_s(now_s=50) == 150


def test_progress_outside_a_terminal_writes_whole_lines() -> None:
    stream = io.StringIO()
    Progress(total_cost=10, stream=stream).show("nginx, NOOP")
    assert stream.getvalue().endswith("nginx, NOOP\n")


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (61, "1:01"), (3_725, "1:02:05")])
def test_duration_is_written_as_on_a_clock(seconds: int, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("changes", "holds"),
    [({}, True), ({"peak_bytes": 150_000_000}, False), ({"peak_bytes": 0}, False), ({"misses": 11}, False)],
    ids=["within all limits", "memory at the limit", "memory never seen", "too many default answers"],
)
def test_soak_holds_only_within_all_its_limits(changes: dict[str, int], holds: bool) -> None:
    result = SoakResult(
        queries=1_000,
        duration_s=1.0,
        errors=0,
        misses=10,
        first_bytes=1,
        peak_bytes=149_999_999,
        growth_bytes=0,
        limit_bytes=150_000_000,
    )
    assert dataclasses.replace(result, **changes).holds is holds
