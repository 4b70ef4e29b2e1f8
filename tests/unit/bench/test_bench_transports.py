"""The record of Docker's transports: medians, what is told of a bad run, and the function that is served."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np

from bench.document import begin_mark
from bench.transports.__main__ import DOCUMENT, WRITTEN_BY
from bench.transports.measure import (
    DOCKER_TCP,
    LINEAR,
    MANY,
    MODELS,
    NOOP,
    PATIENT,
    WAYS,
    Cell,
    Transports,
    make_linear,
)
from bench.transports.report import render


def found(failed_ratio: float = 0.0) -> Transports:
    """Return three rounds, in which the n-th way takes n times as long."""
    cells = [
        Cell(
            way=way.name,
            model=model.name,
            connections=connections,
            round=number,
            requests_per_s=1000.0 * number / place,
            failed_ratio=0.0,
            p50_us=100.0 * place,
            p99_us=9e3,
            server_us_per_query=20.0,
            other_cores=0.1,
        )
        for number in (1, 2, 3)
        for model in MODELS
        for place, way in enumerate(WAYS, 1)
        for connections in (PATIENT, MANY)
    ]
    cells = [replace(one, failed_ratio=failed_ratio) if one.way == DOCKER_TCP.name else one for one in cells]
    return Transports("Docker 20", 2, cells)


def test_tables_have_the_medians_and_what_a_process_does_is_the_whole() -> None:
    lines = render(found()).splitlines()
    row = next(line for line in lines if DOCKER_TCP.title in line)
    assert [cell.strip() for cell in row.split("|")[2:-1]] == [
        "300", "9,000", "667", "333 to 1,000", "33%", "9.0", "20",
    ]  # fmt: skip
    assert sum(line.startswith("| ---") for line in lines) == len(MODELS)
    assert "What does not hold" not in "\n".join(lines)


def test_record_is_read_as_it_was_written() -> None:
    assert Transports.from_json(asdict(found())) == found()


def test_run_whose_queries_got_no_prediction_is_told() -> None:
    told = found(0.02).faults
    assert len(told) == 2 * len(MODELS) and told[0].startswith(
        f"{DOCKER_TCP.title}, {NOOP.title}, 1 connections: 2.00%"
    )
    assert "What does not hold" in render(found(0.02))


def test_linear_model_names_a_class_of_each_input() -> None:
    inputs = np.eye(5, LINEAR.length)
    assert make_linear(LINEAR.length)(list(inputs)) == make_linear(LINEAR.length)([*inputs])
    assert set(make_linear(LINEAR.length)([*inputs])) <= set(range(10))


def test_document_has_the_place_of_the_tables() -> None:
    assert begin_mark(WRITTEN_BY) in DOCUMENT.read_text(encoding="utf-8")
