"""Reading decision logs: rotated, torn, damaged, twice, and what feedback becomes."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from clipper.errors import InvalidArgumentError, NotFoundError, UnusableLogError
from clipper.evaluation import JoinedLog, ReadOptions, read_log
from clipper.selection import make_loss
from tests.support.decision_logs import alternating, asked, by_input, decision, feedback, text_of, write_log


def read(path: Path, lines: Any, **options: Any) -> JoinedLog:
    write_log(path, lines)
    return read_log([path], ReadOptions(**options))


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    return tmp_path / "digits.jsonl"


def test_log_feedback_before_its_decision_in_the_file_is_joined(log_path: Path) -> None:
    log = read(log_path, [feedback(1), decision(2), feedback(2, label=3), decision(1)])
    assert {row.decision.query_id: row.earned for row in log.rows} == {1: 1.0, 2: 0.0}
    assert (log.decisions, log.feedback, log.unmatched_feedback) == (2, 2, 0)


def test_log_rotated_is_read_oldest_first(tmp_path: Path) -> None:
    path = tmp_path / "digits.jsonl"
    (tmp_path / "digits.jsonl.10.gz").write_bytes(gzip.compress(text_of([decision(1)]).encode()))
    write_log(tmp_path / "digits.jsonl.2", [decision(2), feedback(1)])
    write_log(tmp_path / "digits.jsonl.1", [feedback(2)])
    write_log(tmp_path / "digits.jsonl.bak", [decision(9)])
    write_log(path, [decision(3), feedback(3)])
    log = read_log([path])
    assert [row.decision.query_id for row in log.rows] == [1, 2, 3]


def test_log_named_twice_is_read_once(tmp_path: Path) -> None:
    path = write_log(tmp_path / "digits.jsonl", alternating(4))
    assert read_log([path, path]).decisions == 4


def test_copy_of_a_log_beside_it_is_told_and_left_out(tmp_path: Path) -> None:
    path = write_log(tmp_path / "digits.jsonl", alternating(4))
    copy = write_log(tmp_path / "copy.jsonl", alternating(4))
    log = read_log([path, copy])
    assert (len(log.rows), log.duplicates) == (4, 8)


def test_log_line_being_written_is_passed_over(log_path: Path) -> None:
    log_path.write_text(text_of(alternating(4)) + '{"type":"deci', encoding="utf-8")
    log = read_log([log_path])
    assert log.torn
    assert (log.decisions, log.damaged) == (4, 0)


def test_log_whole_last_line_without_its_newline_counts(log_path: Path) -> None:
    log_path.write_text(text_of(alternating(4)).rstrip("\n"), encoding="utf-8")
    log = read_log([log_path])
    assert (len(log.rows), log.torn) == (4, False)


def test_log_with_a_damaged_line_in_a_hundred_is_read_and_says_so(log_path: Path) -> None:
    whole = text_of(alternating(50))
    log_path.write_text(whole[:-1] + '\n{"type":"decision","query_id":\n', encoding="utf-8")
    log = read_log([log_path])
    assert (log.decisions, log.damaged) == (50, 1)
    assert "line 101" in log.damaged_example


def test_log_with_more_damage_is_refused_with_an_example(log_path: Path) -> None:
    log_path.write_text(text_of(alternating(49)) + "x\n", encoding="utf-8")
    with pytest.raises(UnusableLogError, match=r"1 of 99 lines .* digits.jsonl, line 99: no JSON"):
        read_log([log_path])


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ({"chosen": "z:1"}, "'z:1', which is not one of"),
        ({"propensity": 1.5}, '"propensity" is 1.5; a number from 0 to 1'),
        ({"propensity": True}, '"propensity" is True'),
        ({"probabilities": [1.0]}, "not one number for each"),
        ({"arms": ["a:1", "a:1"]}, "names an arm twice"),
        ({"kind": "guess"}, "known: arms, features, members, cascade"),
        ({"query_id": "1"}, "\"query_id\" is '1'; an integer"),
        ({"features": ["x"]}, '"features"'),
        ({"kind": "members", "members": [1]}, '"members" is [1]'),
        ({"shadows": [{"arm": "c:1"}, {"arm": "c:1"}]}, '"shadows" names an arm twice'),
    ],
    ids=str,
)
def test_decision_with_a_wrong_field_is_named(log_path: Path, broken: dict[str, Any], told: str) -> None:
    with pytest.raises(UnusableLogError) as raised:
        read(log_path, [{**decision(1), **broken}])
    assert told in raised.value.message


@pytest.mark.parametrize("given", [{}, {"label": 1, "reward": 0.5}], ids=["neither", "both"])
def test_feedback_has_either_label_or_reward(log_path: Path, given: dict[str, Any]) -> None:
    line = {"type": "feedback", "query_id": 1, "at_us": 1, **given}
    with pytest.raises(UnusableLogError, match='either "label" or "reward"'):
        read(log_path, [line])


def test_log_lines_of_a_later_version_are_passed_over(log_path: Path) -> None:
    log = read(log_path, [*alternating(4), {"type": "weather", "is": "fine"}])
    assert (log.decisions, log.damaged) == (4, 0)


def test_log_features_that_were_no_numbers_are_not_a_number(log_path: Path) -> None:
    log = read(log_path, [decision(1, features=[1, None]), feedback(1)])
    features = log.rows[0].decision.features
    assert features is not None and features[0] == 1.0 and features[1] != features[1]


def test_log_gaps_are_counted(log_path: Path) -> None:
    log = read(log_path, [*alternating(4), {"type": "gap", "lost": 3}, {"type": "gap", "lost": 4}])
    assert (log.gaps, log.lost) == (2, 7)


def test_log_of_two_applications_is_refused_unless_one_is_named(log_path: Path) -> None:
    lines = [*alternating(4), decision(9, application="cats")]
    with pytest.raises(UnusableLogError, match="mixes applications: digits, cats") as raised:
        read(log_path, lines)
    assert "--application" in raised.value.hint
    assert read_log([log_path], ReadOptions(application="cats")).decisions == 1
    with pytest.raises(UnusableLogError, match="no decision of application 'dogs'"):
        read_log([log_path], ReadOptions(application="dogs"))


def test_log_part_is_cut_by_the_decisions_times(log_path: Path) -> None:
    log = read(log_path, alternating(10), since_us=3_000, until_us=6_000)
    assert [row.decision.query_id for row in log.rows] == [3, 4, 5]


def test_log_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    write_log(tmp_path / "digits.jsonl", [])
    with pytest.raises(NotFoundError) as raised:
        read_log([tmp_path / "digit.jsonl"])
    assert "digits.jsonl" in raised.value.hint


def test_logs_of_two_forms_are_not_mixed(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="either of JSON lines or of Parquet"):
        read_log([tmp_path / "a.jsonl", tmp_path / "b.parquet"])


def test_compressed_log_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "digits.jsonl.gz"
    path.write_bytes(gzip.compress(text_of(alternating(50)).encode())[:-20])
    with pytest.raises(UnusableLogError, match="cannot be read to its end"):
        read_log([path])


# -- rewards -----------------------------------------------------------------------------------------------------------


def test_losses_of_the_log_count_unless_a_loss_is_chosen(log_path: Path) -> None:
    lines = [decision(1, output=7), feedback(1, label=9, losses={"a:1": 0.25})]
    assert read(log_path, lines).rows[0].earned == 0.75
    chosen = read(log_path, lines, loss=make_loss("squared", loss_bound=8.0))
    assert chosen.rows[0].earned == 0.5


def test_reward_is_taken_as_it_is(log_path: Path) -> None:
    log = read(log_path, [decision(1), feedback(1, reward=0.25)])
    assert dict(log.rows[0].rewards) == {"a:1": 0.25}


def test_feedback_that_the_loss_refuses_is_left_out_with_an_example(log_path: Path) -> None:
    lines = [decision(1, output="cat"), feedback(1, label="dog"), decision(2, output=1.0), feedback(2, label=1.0)]
    log = read(log_path, lines, loss=make_loss("squared"))
    assert (len(log.rows), log.unscored) == (1, 1)
    assert "query 1" in log.unscored_example


def test_feedback_about_an_output_that_is_not_logged_is_left_out(log_path: Path) -> None:
    bare = decision(1)
    del bare["output"]
    log = read(log_path, [bare, feedback(1)])
    assert (len(log.rows), log.unscored) == (0, 1)


def test_ensembles_decision_knows_the_reward_of_each_member_and_a_majoritys_of_the_answer(log_path: Path) -> None:
    row = read(log_path, [asked(1, {"a:1": 8, "b:1": 7}), feedback(1)]).rows[0]
    assert dict(row.rewards) == {"a:1": 0.0, "b:1": 1.0}
    assert row.earned == 0.0  # a tie: the first linked
    for unknown in ({"policy": "hedge"}, {"default": True}):
        assert read(log_path, [asked(1, {"a:1": 8, "b:1": 7}, **unknown), feedback(1)]).rows[0].earned is None


def test_outputs_that_came_after_the_answer_count(log_path: Path) -> None:
    late = decision(1, default=True)
    del late["output"]
    lines = [late, feedback(1, outputs={"a:1": 7}), asked(2, {"a:1": 7}), feedback(2, outputs={"b:1": 8})]
    log = read(log_path, lines)
    assert [dict(row.rewards) for row in log.rows] == [{"a:1": 1.0}, {"a:1": 1.0, "b:1": 0.0}]
    assert log.defaults == 1


def test_reward_of_a_default_output_is_left_out(log_path: Path) -> None:
    log = read(log_path, [decision(1, default=True), feedback(1, reward=1.0)])
    assert (len(log.rows), log.unscored) == (0, 1)
    assert "about the default output" in log.unscored_example


def test_feedback_by_input_knows_every_model(log_path: Path) -> None:
    log = read(log_path, [decision(1), by_input(5_000, {"a:1": 7, "b:1": 8}, context="ann")])
    (row,) = log.rows
    assert (row.decision.application, row.decision.context, row.decision.arms) == ("digits", "ann", ("a:1", "b:1"))
    assert dict(row.rewards) == {"a:1": 1.0, "b:1": 0.0}
    assert (log.decisions, log.feedback, log.by_input) == (1, 1, 1)


def test_shadows_are_judged_and_are_no_choice(log_path: Path) -> None:
    shadow = {"arm": "c:1", "output": 8, "propensity": 1.0, "shown": False}
    row = read(log_path, [decision(1, shadows=[shadow], policy=None), feedback(1)]).rows[0]
    assert dict(row.rewards) == {"a:1": 1.0, "c:1": 0.0}
    assert row.decision.arms == ("a:1", "b:1")


def test_progress_goes_from_nothing_to_all_of_it(log_path: Path) -> None:
    write_log(log_path, alternating(30_000))
    told: list[tuple[str, int, int]] = []
    read_log([log_path], progress=lambda text, done, total: told.append((text, done, total)))
    for text in ("reading feedback", "reading decisions"):
        steps = [done for what, done, _ in told if what == text]
        assert steps == sorted(steps) and len(steps) > 2
        assert steps[-1] == log_path.stat().st_size
