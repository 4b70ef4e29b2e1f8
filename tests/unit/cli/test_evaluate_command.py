"""``clipper evaluate`` and ``clipper decisions export`` as a user runs them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from clipper.cli.app import app
from clipper.cli.evaluate import showing_progress
from clipper.cli.moments import parse_moment_us
from clipper.errors import InvalidArgumentError
from tests.support.decision_logs import alternating, decision, feedback, write_log


def clipper(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    return write_log(tmp_path / "digits.jsonl", alternating(400))


def test_evaluate_prints_each_estimate_and_what_ran(log_path: Path) -> None:
    done = clipper("evaluate", log_path, "--policy", "static", "--parameters", '{"model": "a"}')
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("digits: 400 decisions of epsilon_greedy, in 0 s from ")
    assert lines[1] == "400 with feedback (100.0%)"
    assert lines[3].split() == ["ESTIMATE", "REWARD", "95%", "INTERVAL", "AGAINST", "WHAT", "RAN"]
    assert [line.split("  ")[0] for line in lines[4:8]] == ["what ran", "ips", "snips", "doubly robust"]
    assert lines[6].split()[1] == "1.0000"
    assert "effective sample size 200 of 400; largest weight 2, mean weight 1.000" in lines
    assert lines[-1] == "static would have asked: a:1 100.0%, b:1 0.0%"
    assert done.stderr == ""


def test_evaluate_as_json_prints_one_document(log_path: Path) -> None:
    done = clipper("evaluate", log_path, "--policy", '{"name": "epsilon_greedy", "epsilon": 0.2}', "--json")
    document = json.loads(done.stdout)
    assert document["policy"]["epsilon"] == 0.2
    assert document["estimates"]["snips"]["low"] < document["estimates"]["snips"]["reward"]


def test_evaluate_finds_the_log_of_an_application_by_its_name(tmp_path: Path) -> None:
    directory = tmp_path / "logs" / "decisions"
    directory.mkdir(parents=True)
    write_log(directory / "digits.jsonl", alternating(20))
    done = clipper("evaluate", "digits", "--policy", "static", "--run-dir", tmp_path)
    assert done.exit_code == 0, done.output
    assert "digits: 20 decisions" in done.stdout


def test_evaluate_warns_of_what_a_reader_has_to_know(tmp_path: Path) -> None:
    path = write_log(tmp_path / "digits.jsonl", [*alternating(20), {"type": "gap", "lost": 12}])
    done = clipper("evaluate", path, "--policy", "static")
    assert "Warning: the effective sample size is 10" in done.stderr
    assert "Warning: 12 lines were lost" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--policy", "epsilon_gredy"), "did you mean 'epsilon_greedy'"),
        (("--policy", "static", "--parameters", "{"), "--parameters='{' is no JSON"),
        (("--policy", "static", "--parameters", "[]"), "is no JSON object"),
        (("--policy", "static", "--parameters", '{"modle": "a"}'), "did you mean 'model'"),
        (("--policy", "static", "--since", "yesterday"), "--since='yesterday' is no moment"),
        (("--policy", "static", "--loss", "cubic"), "loss='cubic'"),
        (("--policy", "static", "--application", "cats"), "no decision of application 'cats'"),
        (("--policy", "static", "--until", "2020-01-01", "--since", "2019-01-01"), "no decision"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_evaluate_with_a_wrong_option_says_which(log_path: Path, arguments: tuple[str, ...], told: str) -> None:
    done = clipper("evaluate", log_path, *arguments)
    assert done.exit_code == 2
    assert told in done.stderr


def test_evaluate_of_a_log_without_chance_says_why_and_what_to_do(tmp_path: Path) -> None:
    path = write_log(tmp_path / "digits.jsonl", [*alternating(4), decision(9, probabilities=[1.0, 0.0]), feedback(9)])
    done = clipper("evaluate", path, "--policy", "thompson")
    assert done.exit_code == 2
    assert "propensity 1" in done.stderr and "Hint:" in done.stderr


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_a_bar_on_a_terminal_for_each_thing_that_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with showing_progress() as show:
        show("reading decisions", 10, 100)
        show("reading decisions", 100, 100)
        show("replaying thompson", 0, 0)
    assert "reading decisions" in terminal.getvalue() and "100%" in terminal.getvalue()


def test_progress_elsewhere_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = iter([0.0, 1.0, 6.0, 6.5, 7.0])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    with showing_progress() as show:
        show("reading decisions", 10, 100)
        show("reading decisions", 50, 100)
        show("reading decisions", 60, 100)
    assert capsys.readouterr().err == "reading decisions: 50%\n"


@pytest.mark.optional("pyarrow", "pip install 'clipper[parquet]'")
def test_log_exported_as_parquet_gives_the_same_answer(log_path: Path) -> None:
    to = log_path.with_suffix(".parquet")
    done = clipper("decisions", "export", log_path, "--to", to)
    assert (done.exit_code, done.stdout) == (0, f"{to}: 400 decisions\n")
    by_lines, by_parquet = (
        json.loads(clipper("evaluate", path, "--policy", "epsilon_greedy", "--json").stdout) for path in (log_path, to)
    )
    assert by_lines["estimates"] == by_parquet["estimates"]


def test_export_to_another_form_is_refused(log_path: Path) -> None:
    done = clipper("decisions", "export", log_path, "--to", log_path.with_suffix(".csv"))
    assert done.exit_code == 2
    assert "does not end with .parquet" in done.stderr


NOW_US = 1_763_380_800_000_000


@pytest.mark.parametrize(
    ("text", "ago_us"),
    [
        ("90s", 90_000_000),
        ("1.5 h", 5_400_000_000),
        ("7d", 604_800_000_000),
        ("1w", 604_800_000_000),
        ("3m", 180_000_000),
    ],
)
def test_moment_is_how_long_ago(text: str, ago_us: int) -> None:
    assert parse_moment_us(text, "--since", NOW_US) == NOW_US - ago_us


def test_moment_is_a_date_with_or_without_a_zone() -> None:
    assert parse_moment_us("2025-11-17T12:00:00+00:00", "--since", 0) == NOW_US
    assert parse_moment_us("2025-11-17T12:00:00Z", "--since", 0) == NOW_US
    assert parse_moment_us("2025-11-17", "--since", 0) % 900_000_000 == 0  # midnight of some zone


@pytest.mark.parametrize("text", ["", "7", "7 days", "2025-13-01", "soon"])
def test_moment_that_is_none_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="is no moment") as raised:
        parse_moment_us(text, "--until", NOW_US)
    assert "7d" in raised.value.hint
