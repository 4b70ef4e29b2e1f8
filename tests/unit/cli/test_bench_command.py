"""``clipper bench`` as a user runs it: what it prints, its exit codes, and errors that say what to do."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from clipper.cli.app import app
from clipper.cli.bench_inputs import COUNTER, made_up_input, parse_headers, read_answers, read_inputs, without_blanks
from clipper.cli.exit_codes import ExitCode
from clipper.cli.ratios import parse_ratio
from clipper.errors import InvalidArgumentError, NotFoundError
from tests.support.bench_server import BenchServer, bench_server
from tests.support.canned_server import canned_server

QUICK = ("--duration", "300ms", "--warmup", "50ms", "--connections", "16", "--max-other-cores", "1000")
SENT = ("--input", "[1]", "--form", "json")


def clipper(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["bench", *map(str, arguments)])


@pytest.fixture(autouse=True)
def own_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def server() -> Iterator[BenchServer]:
    with bench_server() as running:
        yield running


def test_run_tells_latency_and_cost_and_writes_three_files(server: BenchServer, tmp_path: Path) -> None:
    base = tmp_path / "out" / "first"
    arguments = ("run", server.url, *SENT, "--rate", 200, *QUICK, "--slo", "5s", "--expect", '"output":  1')
    done = clipper(*arguments, "--output", f"{base}.html")
    assert done.exit_code == ExitCode.OK, done.output
    assert "200 requests/s for 0.3 s: p50" in done.stdout
    assert "Objective met (p99 within 5000 ms" in done.stdout
    assert "CPU S PER MILLION" in done.stdout and str(server.container_pid) in done.stdout
    assert "requests/s" in done.stderr and "left" in done.stderr
    assert json.loads(base.with_suffix(".json").read_text())["kind"] == "run"
    assert "<svg" in base.with_suffix(".html").read_text()
    again = clipper("report", base.with_suffix(".json"))
    assert again.stdout == base.with_suffix(".md").read_text()


def test_missed_objective_has_an_exit_code_of_its_own_and_json_is_one_document(server: BenchServer) -> None:
    done = clipper("run", server.url, *SENT, "--rate", 100, *QUICK, "--slo", "1us", "--json", "--no-watch")
    # So strict an objective allows the generator next to no lag: a slow machine voids the run instead.
    assert done.exit_code in (ExitCode.MISSED, ExitCode.VOID)
    record = json.loads(done.stdout)
    assert record["is_met"] in (False, None)
    assert record["summaries"][0]["misses"] == record["summaries"][0]["scheduled"]
    assert "measurements" not in record
    assert any("--no-watch" in doubt for doubt in record["doubts"])


def test_target_without_a_command_is_searched(server: BenchServer) -> None:
    done = clipper(server.url, *SENT, *QUICK, "--min-queries", 20, "--slo", "10s", "--max-rate", 100, "--repeats", 1)
    assert done.exit_code == ExitCode.OK, done.output
    # Some hundred queries cannot show a p99: the command claims no more than it saw.
    assert "requests/s with p99 within 10000 ms, at most 1% failed: NOT confirmed." in done.stdout
    assert "longer runs may show it" in done.stdout
    assert "A lower bound" in done.stdout


def test_curve_tells_goodput_at_each_part_of_the_capacity(server: BenchServer) -> None:
    how = ("--capacity", 100, "--points", 2, "--from", "50%", "--to", "100%", "--repeats", 1, "--min-queries", 20)
    done = clipper("curve", server.url, *SENT, *QUICK, "--slo", "10s", *how)
    assert done.exit_code == ExitCode.OK, done.output
    assert "Most goodput" in done.stdout
    assert "OF CAPACITY" in done.stdout and "50%" in done.stdout


OIP_MODEL = {"name": "m", "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}], "outputs": []}


@pytest.mark.parametrize("form", ["auto", "oip-binary"])
def test_open_inference_protocol_is_spoken_with_the_types_of_the_model(form: str) -> None:
    answer = (200, "application/json", b'{"outputs": [{"name": "y", "datatype": "INT64", "shape": [1], "data": [1]}]}')
    model = (200, "application/json", json.dumps(OIP_MODEL).encode())
    with canned_server({"/v2/models/m": model, "/v2/models/m/infer": answer}) as oip:
        url = f"{oip.url}/v2/models/m/infer"
        done = clipper("run", url, "--form", form, "--input", "[1, 2]", "--unique", "--rate", 50, *QUICK, "--json")
    assert done.exit_code in (ExitCode.OK, ExitCode.VOID), done.output
    assert json.loads(done.stdout)["summaries"][0]["failed"] == 0
    bodies = [asked.body for asked in oip.asked if asked.path.endswith("/infer")]
    assert len(set(bodies)) == len(bodies) > 5
    assert b'"datatype":"FP32"' in bodies[0].replace(b" ", b"") and b'"shape":[1,2]' in bodies[0].replace(b" ", b"")


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_target_that_does_not_answer_is_unreachable(closed_port: int) -> None:
    done = clipper("run", f"http://127.0.0.1:{closed_port}/x", *SENT, "--rate", 10)
    assert done.exit_code == ExitCode.UNREACHABLE
    assert "nothing answers" in done.stderr and "start the server first" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--expect", '"output":7'), ExitCode.MODEL, "the first answer is wrong"),
        (("--expect-status", "201"), ExitCode.MODEL, "answered with status 200"),
        (("--arrivals", "bursts"), ExitCode.USAGE, "poisson"),
        (("--duration", "5"), ExitCode.USAGE, "did you mean 5ms"),
        (("--rate", "0"), ExitCode.USAGE, "more than 0"),
        (("--pid", "999999999"), ExitCode.NOT_FOUND, "no such process"),
        (("--header", "nonsense"), ExitCode.USAGE, "NAME: VALUE"),
        (("--metrics", "http://127.0.0.1:1/none"), ExitCode.UNREACHABLE, "--metrics none"),
        (("--slo", "20ms", "--max-misses", "5"), ExitCode.USAGE, "did you mean 5%"),
    ],
)
def test_option_that_is_wrong_ends_before_any_load(
    server: BenchServer, arguments: tuple[str, ...], code: ExitCode, told: str
) -> None:
    rate = () if "--rate" in arguments else ("--rate", "10")
    done = clipper("run", server.url, *SENT, *rate, *arguments)
    assert done.exit_code == code, done.output
    assert told in done.stderr


@pytest.mark.parametrize(
    ("target", "told"),
    [("https://localhost/x", "HTTPS"), ("localhost:8080/x", "did you mean http://"), ("http:///x", "names no host")],
)
def test_target_that_is_none_is_a_usage_error(target: str, told: str) -> None:
    done = clipper("run", target, *SENT, "--rate", 10)
    assert done.exit_code == ExitCode.USAGE, done.output
    assert told in done.stderr


def test_search_of_a_url_needs_an_objective(server: BenchServer) -> None:
    done = clipper("search", server.url, *SENT)
    assert done.exit_code == ExitCode.USAGE
    assert "--slo 20ms" in done.stderr


def test_name_of_an_application_needs_a_running_clipper() -> None:
    done = clipper("digits")
    assert done.exit_code == ExitCode.UNREACHABLE
    assert "clipper start" in done.stderr


def test_record_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    assert clipper("report", tmp_path / "x.json").exit_code == ExitCode.USAGE
    assert clipper("report", tmp_path / "y.json").exit_code == ExitCode.NOT_FOUND


@pytest.mark.parametrize("command", ["install", "compare", "paper"])
def test_command_of_the_repository_says_so_elsewhere(command: str, tmp_path: Path) -> None:
    for where in ((), ("--checkout", tmp_path)):
        done = clipper(command, *where)
        assert done.exit_code == ExitCode.NOT_FOUND
        assert "--checkout DIR" in done.stderr


def test_command_of_the_repository_runs_there_with_its_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "install_peers.py").touch()
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    ran: list[tuple[list[str], Any]] = []

    def fake_run(command: list[str], cwd: Path, check: bool) -> SimpleNamespace:
        ran.append((command[1:], cwd))
        return SimpleNamespace(returncode=1)

    monkeypatch.setattr("clipper.cli.bench_checkout.subprocess.run", fake_run)
    assert clipper("compare", "--quick", "--subjects", "mosec").exit_code == 1
    assert ran == [(["-m", "bench.compare", "--quick", "--subjects", "mosec"], tmp_path)]


@pytest.mark.parametrize(("text", "ratio"), [("1%", 0.01), ("0.01", 0.01), ("200%", 2.0), ("0", 0.0), (" 5 % ", 0.05)])
def test_ratio_is_read_with_and_without_percent(text: str, ratio: float) -> None:
    assert parse_ratio(text, "--x") == pytest.approx(ratio)


@pytest.mark.parametrize("text", ["5", "-1%", "many", "nan", ""])
def test_ratio_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError):
        parse_ratio(text, "--x")


def test_inputs_are_json_files_or_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 3)))
    np.savez(tmp_path / "a.npz", x=np.zeros(2, np.float32))
    (tmp_path / "a.json").write_text("[1]")
    (tmp_path / "a.bin").write_bytes(b"\0\1")
    (tmp_path / "a.jsonl").write_text("[1]\n\n[2]\n")
    assert read_inputs(["[1, 2]"], None, False) == ["[1, 2]"]
    assert read_inputs(["[1, 2]"], None, True) == [[1, 2]]
    assert read_inputs(['"a"'], None, True) == [json.dumps(COUNTER + "a")]
    assert read_inputs([f"@{tmp_path}/a.json", f"@{tmp_path}/a.bin"], None, False) == ["[1]", b"\0\1"]
    assert read_inputs([f"@{tmp_path}/a.npy"], None, False)[0].shape == (2, 3)
    assert list(read_inputs([f"@{tmp_path}/a.npz"], None, False)[0]) == ["x"]
    assert read_inputs(['{"x": [[1.0]]}'], None, False) == [{"x": [[1.0]]}]
    assert read_inputs([], tmp_path / "a.jsonl", False) == ["[1]", "[2]"]
    assert len(read_inputs([], tmp_path / "a.npy", False)) == 2
    assert read_answers(tmp_path / "a.jsonl") == [[1], [2]]


@pytest.mark.parametrize("text", ["not json", "@{directory}/none.json", "@{directory}/none.npy"])
def test_input_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises((InvalidArgumentError, NotFoundError)):
        read_inputs([text.replace("{directory}", str(tmp_path))], None, False)


json_values = st.recursive(
    st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(json_values)
def test_json_without_blanks_is_what_a_compact_writer_writes(value: Any) -> None:
    compact = json.dumps(value, separators=(",", ":"))
    assert without_blanks(json.dumps(value, indent=2)) == compact
    assert without_blanks(compact) == compact


def test_header_is_split_at_its_first_colon() -> None:
    assert parse_headers(["Authorization: Bearer a:b"]) == (("Authorization", "Bearer a:b"),)


@pytest.mark.parametrize(
    ("kind", "shape", "expected"),
    [
        ("doubles", [3], ([0.5, 0.5, 0.5], True)),
        ("integers", [2], ([1, 1], False)),
        ("strings", None, ('"clipper bench {counter}"', False)),
        ("bytes", None, ('"{counter}"', False)),
        ("tensor", [2, 1], ([[0.5], [0.5]], True)),
    ],
)
def test_input_of_an_application_is_made_up_from_its_type_and_shape(
    kind: str, shape: list[int] | None, expected: tuple[Any, bool]
) -> None:
    dtype = "float32" if kind == "tensor" else None
    assert made_up_input({"name": "a", "input_type": kind, "shape": shape, "dtype": dtype}) == expected


def test_input_of_an_application_of_unknown_length_must_be_given() -> None:
    with pytest.raises(InvalidArgumentError, match="does not declare how long"):
        made_up_input({"name": "a", "input_type": "doubles", "shape": None, "dtype": None})
