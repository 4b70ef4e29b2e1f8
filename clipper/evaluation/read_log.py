"""Reads a decision log, of JSON lines or Parquet, into decisions joined with their feedback."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from clipper.errors import InvalidArgumentError, UnusableLogError
from clipper.evaluation.decision_lines import (
    DamagedLineError,
    Decision,
    Feedback,
    Gap,
    InputFeedback,
    parse_line,
)
from clipper.evaluation.joined_log import JoinedLog, Row
from clipper.evaluation.known_outputs import answer_of
from clipper.evaluation.log_files import LogFiles, Progress
from clipper.selection import Loss, PlanSpec, make_loss

MAX_DAMAGED_RATIO: Final = 0.01
"""Of the lines of a log; with more of them it is another kind of file, or has been through something."""
PARQUET: Final = ".parquet"
MAJORITY: Final = "majority"


@dataclass(frozen=True)
class ReadOptions:
    """What of a log is read, and how feedback becomes a reward."""

    application: str | None = None
    """None: the log holds one."""
    since_us: int | None = None
    """Decisions before it are left out; wall clock."""
    until_us: int | None = None
    """Decisions at it and after it are left out."""
    loss: Loss | None = None
    """None: the losses that the log holds, and 0/1 loss where it holds none."""


def no_progress(text: str, done: int, total: int) -> None:
    """Show nothing."""


def read_log(paths: Sequence[Path], options: ReadOptions | None = None, progress: Progress = no_progress) -> JoinedLog:
    """Read decision logs: files of JSON lines with the rotated ones beside them, or Parquet files.

    The log is read twice, feedback first, so that memory holds nothing but the queries that have feedback.

    Raises
    ------
    NotFoundError
        A file is not there.
    UnusableLogError
        It is no decision log, or holds several applications and `options` names none.
    """
    options = options or ReadOptions()
    log = JoinedLog()
    _take(joined_decisions(paths, log, progress), log, options)
    _check_applications(log, options)
    return log


def joined_decisions(
    paths: Sequence[Path], log: JoinedLog, progress: Progress = no_progress
) -> Iterator[tuple[Decision, Feedback | None]]:
    """Yield every decision of a log with its feedback; what else is met is counted in ``log``."""
    parquet = [path for path in paths if path.suffix == PARQUET]
    if not parquet:
        return _joined_lines(paths, log, progress)
    if len(parquet) < len(paths):
        raise InvalidArgumentError("a log is either of JSON lines or of Parquet files", hint="read one of them")
    from clipper.evaluation.parquet import read_parquet

    return read_parquet(parquet, progress)


def _joined_lines(
    paths: Sequence[Path], log: JoinedLog, progress: Progress
) -> Iterator[tuple[Decision, Feedback | None]]:
    with LogFiles(paths) as files:
        feedback = _read_feedback(files, log, progress)
        seen: set[int] = set()
        lines, application = 0, ""
        for path, number, line, is_torn in _readable(files, progress, "reading decisions"):
            lines += 1
            try:
                record = parse_line(line)
            except DamagedLineError as error:
                if is_torn and path == files.paths[-1]:
                    log.torn = True
                    continue
                log.damaged += 1
                log.damaged_example = log.damaged_example or f"{path.name}, line {number}: {error}"
                continue
            if isinstance(record, Gap):
                log.gaps += 1
                log.lost += record.lost
            elif isinstance(record, InputFeedback):
                log.feedback += 1
                yield replace(record.decision, application=application), record.feedback
            elif isinstance(record, Decision):
                application = record.application
                given = feedback.pop(record.query_id, None)
                # Ids of decisions with feedback are remembered, so that a file that is read twice is noticed.
                if given is not None:
                    seen.add(record.query_id)
                elif record.query_id in seen:
                    log.duplicates += 1
                    continue
                yield _with_late_outputs(record, given), given
        log.unmatched_feedback = len(feedback)
        if log.damaged > MAX_DAMAGED_RATIO * lines:
            raise UnusableLogError(
                f"{log.damaged:,} of {lines:,} lines are damaged, or this is no decision log; {log.damaged_example}",
                hint="a decision log is DIR/decisions/APPLICATION.jsonl in the log directory, or an export of it",
            )


def _with_late_outputs(decision: Decision, feedback: Feedback | None) -> Decision:
    if feedback is None or not feedback.outputs:
        return decision
    return replace(decision, outputs={**feedback.outputs, **decision.outputs})


def _read_feedback(files: LogFiles, log: JoinedLog, progress: Progress) -> dict[int, Feedback]:
    found: dict[int, Feedback] = {}
    for _, _, line, _ in _readable(files, progress, "reading feedback"):
        if b'"feedback"' not in line:
            continue
        try:
            record = parse_line(line)
        except DamagedLineError:
            continue  # counted with all others when decisions are read
        if isinstance(record, Feedback):
            log.feedback += 1
            if found.setdefault(record.query_id, record) is not record:
                log.duplicates += 1
    return found


def _readable(files: LogFiles, progress: Progress, text: str) -> Iterator[tuple[Path, int, bytes, bool]]:
    try:
        yield from files.lines(progress, text)
    except (OSError, EOFError, zlib.error) as error:
        raise UnusableLogError(f"the log cannot be read to its end: {error}") from error


def _take(joined: Iterator[tuple[Decision, Feedback | None]], log: JoinedLog, options: ReadOptions) -> None:
    losses = _Losses(options.loss)
    for decision, feedback in joined:
        if options.application not in (None, decision.application):
            log.other_applications[decision.application] += 1
            continue
        if not log.application:
            log.application = decision.application
        elif decision.application and log.application != decision.application:
            log.other_applications[decision.application] += 1
            continue
        if options.since_us is not None and decision.at_us < options.since_us:
            continue
        if options.until_us is not None and decision.at_us >= options.until_us:
            continue
        if decision.kind != "input":
            log.count(decision)
        if feedback is None:
            continue
        row = losses.scored(decision, feedback)
        if row is None:
            log.unscored += 1
            log.unscored_example = log.unscored_example or losses.problem
        else:
            log.defaults += decision.is_default
            log.join(row)
    log.rows.sort(key=lambda row: row.decision.at_us)


class _Losses:
    """Turns labels into rewards."""

    def __init__(self, loss: Loss | None) -> None:
        self._chosen = loss
        self._loss = loss or make_loss()
        self.problem = ""

    def scored(self, decision: Decision, feedback: Feedback) -> Row | None:
        """Return the row of a decision and its feedback; None, and `problem` set, where that gives no reward."""
        if feedback.reward is not None:
            if decision.is_default:
                self.problem = f"query {decision.query_id}: the reward is about the default output"
                return None
            of_reward = {} if decision.chosen is None else {decision.chosen: feedback.reward}
            return Row(decision, feedback, of_reward, feedback.reward)
        try:
            rewards = self._rewards(decision, feedback)
            earned = rewards.get(decision.chosen) if decision.chosen else self._of_majority(decision, feedback)
        except InvalidArgumentError as error:
            self.problem = f"query {decision.query_id}: {error.message}"
            return None
        if decision.chosen is not None and earned is None:
            self.problem = f"query {decision.query_id}: the output of {decision.chosen} is not known"
            return None
        return Row(decision, feedback, rewards, earned)

    def _rewards(self, decision: Decision, feedback: Feedback) -> Mapping[str, float]:
        if self._chosen is None and feedback.losses:
            return {arm: 1.0 - loss for arm, loss in feedback.losses.items()}
        return {arm: 1.0 - self._loss(output, feedback.label) for arm, output in decision.outputs.items()}

    def _of_majority(self, decision: Decision, feedback: Feedback) -> float | None:
        """Return what an ensemble's answer earned, where that follows from the outputs alone."""
        if decision.policy != MAJORITY or decision.is_default or set(decision.arms) - decision.outputs.keys():
            return None
        output, _ = answer_of(PlanSpec("members", decision.arms, rule=MAJORITY), decision.outputs)
        return 1.0 - self._loss(output, feedback.label)


def _check_applications(log: JoinedLog, options: ReadOptions) -> None:
    if options.application is not None and not log.application:
        others = ", ".join(log.other_applications) or "none"
        raise UnusableLogError(
            f"the log holds no decision of application {options.application!r}", hint=f"it holds: {others}"
        )
    if options.application is None and log.other_applications:
        names = ", ".join([log.application, *log.other_applications])
        raise UnusableLogError(
            f"the log mixes applications: {names}", hint="their policies learn apart: name one with --application"
        )
