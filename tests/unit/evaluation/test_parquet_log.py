"""Decision logs as Parquet: whatever a log holds comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clipper.errors import InvalidArgumentError, NotFoundError, UnusableLogError
from clipper.evaluation.decision_lines import Decision, Feedback, parse_record
from clipper.evaluation.parquet import read_parquet, write_parquet
from clipper.evaluation.read_log import no_progress, read_log
from tests.support.decision_logs import asked, decision, feedback
from tests.support.json_values import json_values

pytestmark = pytest.mark.optional("pyarrow", "pip install 'clipper[parquet]'")

JSON = json_values(5)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
CHANCES = st.floats(0.01, 0.99).map(lambda chance: [chance, 1.0 - chance])
TIMES = st.integers(0, 2**52)
EXTRAS = st.fixed_dictionaries(
    {"at_us": TIMES, "context": st.none() | st.text(max_size=9), "output": JSON, "plan_id": st.integers(0, 2**40)},
    optional={"features": st.lists(NUMBERS, max_size=4)},
)
DECISIONS = st.builds(
    lambda chances, extras: decision(1, probabilities=chances, **extras), CHANCES, EXTRAS
) | st.builds(
    lambda outputs, extras: asked(1, outputs, **extras), st.dictionaries(st.sampled_from(["a:1", "b:1"]), JSON), EXTRAS
)
FEEDBACK = st.none() | st.builds(
    lambda given, at_us, losses: feedback(1, **given, at_us=at_us, **losses),
    JSON.map(lambda label: {"label": label}) | st.floats(0, 1).map(lambda reward: {"reward": reward}),
    TIMES,
    st.sampled_from([{}, {"losses": {"a:1": 0.25, "b:1": 1.0}}]),
)


def parsed(document: dict[str, Any]) -> Any:
    return parse_record(json.loads(json.dumps(document)))


@given(st.lists(st.tuples(DECISIONS, FEEDBACK), min_size=1, max_size=5))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_log_written_as_parquet_comes_back_as_it_was(tmp_path: Path, pairs: list[tuple[Any, Any]]) -> None:
    records = [(parsed(first), None if second is None else parsed(second)) for first, second in pairs]
    assert all(isinstance(first, Decision) for first, _ in records)
    assert all(second is None or isinstance(second, Feedback) for _, second in records)
    path = tmp_path / "log.parquet"
    assert write_parquet(records, path) == len(records)
    assert list(read_parquet([path], no_progress)) == records


def test_export_that_fails_leaves_the_file_of_before(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    write_parquet([(parsed(decision(1)), None)], path)

    def breaking() -> Any:
        yield parsed(decision(1)), None
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        write_parquet(breaking(), path)
    assert len(list(read_parquet([path], no_progress))) == 1
    assert [item.name for item in tmp_path.iterdir()] == ["log.parquet"]


def test_export_into_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="cannot be written"):
        write_parquet([], tmp_path / "nowhere" / "log.parquet")


def test_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    path.write_text("{}")
    with pytest.raises(UnusableLogError, match="cannot be read as a decision log"):
        read_log([path])
    with pytest.raises(NotFoundError, match="there is no decision log"):
        read_log([tmp_path / "other.parquet"])


def test_parquet_of_something_else_is_refused_with_the_columns_that_it_lacks(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "log.parquet"
    pq.write_table(pa.table({"query_id": [1]}), path)
    with pytest.raises(UnusableLogError, match="lacks the columns application, arms"):
        read_log([path])


def test_parquet_that_another_tool_wrote_again_is_read(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    path = tmp_path / "log.parquet"
    write_parquet([(parsed(decision(1)), parsed(feedback(1)))], path)
    table = pq.read_table(path).select(list(reversed(pq.read_schema(path).names)))
    pq.write_table(table, path, coerce_timestamps="us", use_dictionary=True)
    assert len(read_log([path]).rows) == 1
