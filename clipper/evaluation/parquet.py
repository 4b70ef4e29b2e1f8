"""Decision logs as Parquet: one row a decision, with its feedback beside it (needs pyarrow, an extra).

Outputs and labels may be any JSON, so their columns hold JSON text; everything else has a type of its own. What a
reader of the JSON lines must join, is joined here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

from clipper.errors import InvalidArgumentError, NotFoundError, UnusableLogError
from clipper.evaluation.decision_lines import Decision, Feedback
from clipper.evaluation.log_files import Progress
from clipper.selection import ABSENT

INSTALL: Final = "pip install 'clipper[parquet]'"
ROWS_PER_GROUP: Final = 65_536
_SCHEMA_VERSION: Final = b"1"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def pyarrow() -> Any:
    """Return the library.

    Raises
    ------
    InvalidArgumentError
        It is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise InvalidArgumentError("Parquet needs pyarrow, which is not installed", hint=INSTALL) from error
    return pyarrow


def schema() -> Any:
    """Return the columns."""
    pa = pyarrow()
    utc = pa.timestamp("us", tz="UTC")
    return pa.schema(
        [
            pa.field("query_id", pa.int64(), nullable=False),
            pa.field("at", utc, nullable=False),
            pa.field("application", pa.string(), nullable=False),
            pa.field("context", pa.string()),
            pa.field("policy", pa.string(), nullable=False),
            pa.field("plan_id", pa.int64(), nullable=False),
            pa.field("kind", pa.string(), nullable=False),
            pa.field("arms", pa.list_(pa.string()), nullable=False),
            pa.field("probabilities", pa.list_(pa.float64())),
            pa.field("chosen", pa.string()),
            pa.field("propensity", pa.float64()),
            pa.field("output_json", pa.string()),
            pa.field("other_outputs_json", pa.map_(pa.string(), pa.string())),
            pa.field("default", pa.bool_(), nullable=False),
            pa.field("features", pa.list_(pa.float64())),
            pa.field("feedback_at", utc),
            pa.field("label_json", pa.string()),
            pa.field("reward", pa.float64()),
            pa.field("losses", pa.map_(pa.string(), pa.float64())),
        ],
        metadata={b"clipper.decisions": _SCHEMA_VERSION},
    )


def write_parquet(joined: Iterable[tuple[Decision, Feedback | None]], path: Path) -> int:
    """Write decisions with their feedback, and return how many; a file that is there is replaced when all is written.

    Raises
    ------
    InvalidArgumentError
        pyarrow is not installed, or the file cannot be written.
    """
    pa = pyarrow()
    partial = path.with_name(f".{path.name}.partial")
    count = 0
    rows = iter(joined)
    try:
        with pa.parquet.ParquetWriter(partial, schema(), compression="zstd") as writer:
            while group := [_row(decision, feedback) for decision, feedback in islice(rows, ROWS_PER_GROUP)]:
                writer.write_table(pa.Table.from_pylist(group, schema=schema()))
                count += len(group)
        partial.replace(path)
    except OSError as error:
        raise InvalidArgumentError(f"{str(path)!r} cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return count


def read_parquet(paths: Sequence[Path], progress: Progress) -> Iterator[tuple[Decision, Feedback | None]]:
    """Yield the decisions of files that `write_parquet` wrote, or whose columns are the same.

    Raises
    ------
    InvalidArgumentError
        pyarrow is not installed.
    NotFoundError
        A file is not there.
    UnusableLogError
        A file is no Parquet, lacks a column, or holds what no decision log does.
    """
    pa = pyarrow()
    for path in paths:
        if not path.exists():
            raise NotFoundError(f"there is no decision log {str(path)!r}")
        try:
            with pa.parquet.ParquetFile(path) as file:
                missing = set(schema().names) - set(file.schema_arrow.names)
                if missing:
                    raise UnusableLogError(
                        f"{str(path)!r} is no decision log: it lacks the columns {', '.join(sorted(missing))}",
                        hint="`clipper decisions export` writes one",
                    )
                done, total = 0, file.metadata.num_rows
                for batch in file.iter_batches(columns=schema().names):
                    for row in batch.cast(schema()).to_pylist():
                        yield _decision(row), _feedback(row)
                    done += len(batch)
                    progress("reading decisions", done, total)
        except (OSError, pa.ArrowException, ValueError) as error:
            raise UnusableLogError(f"{str(path)!r} cannot be read as a decision log: {error}") from error


def _row(decision: Decision, feedback: Feedback | None) -> dict[str, Any]:
    answer = decision.outputs.get(decision.chosen, ABSENT) if decision.chosen is not None else ABSENT
    others = [(arm, _text(output)) for arm, output in decision.outputs.items() if arm != decision.chosen]
    row: dict[str, Any] = {
        "query_id": decision.query_id,
        "at": decision.at_us,
        "application": decision.application,
        "context": decision.context,
        "policy": decision.policy,
        "plan_id": decision.plan_id,
        "kind": decision.kind,
        "arms": list(decision.arms),
        "probabilities": None if decision.probabilities is None else list(decision.probabilities),
        "chosen": decision.chosen,
        "propensity": decision.propensity,
        "output_json": _text(answer),
        "other_outputs_json": others,
        "default": decision.is_default,
        "features": None if decision.features is None else list(decision.features),
    }
    if feedback is not None:
        row["feedback_at"] = feedback.at_us
        row["label_json"] = _text(feedback.label)
        row["reward"] = feedback.reward
        row["losses"] = None if feedback.losses is None else list(feedback.losses.items())
    return row


def _decision(row: dict[str, Any]) -> Decision:
    answer = _value(row["output_json"])
    chosen = row["chosen"]
    outputs = {arm: _value(text) for arm, text in row["other_outputs_json"] or []}
    if chosen is not None and answer is not ABSENT:
        outputs[chosen] = answer
    return Decision(
        query_id=row["query_id"],
        at_us=_us(row["at"]),
        application=row["application"],
        context=row["context"],
        policy=row["policy"],
        plan_id=row["plan_id"],
        kind=row["kind"],
        arms=tuple(row["arms"]),
        outputs=outputs,
        chosen=chosen,
        propensity=row["propensity"],
        probabilities=None if row["probabilities"] is None else tuple(row["probabilities"]),
        features=None if row["features"] is None else tuple(row["features"]),
        is_default=row["default"],
    )


def _feedback(row: dict[str, Any]) -> Feedback | None:
    if row["feedback_at"] is None:
        return None
    losses = row["losses"]
    return Feedback(
        query_id=row["query_id"],
        at_us=_us(row["feedback_at"]),
        label=_value(row["label_json"]),
        reward=row["reward"],
        losses=None if losses is None else dict(losses),
    )


def _text(value: Any) -> str | None:
    return None if value is ABSENT else json.dumps(value, ensure_ascii=False)


def _value(text: str | None) -> Any:
    return ABSENT if text is None else json.loads(text)


def _us(at: Any) -> int:
    """Return the microseconds since 1970 of an aware datetime, exactly (a float would round them)."""
    since = at - _EPOCH
    return int(since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds)
