"""Requests with a counter in them, and the answers that are known beforehand."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from bench.loadgen.request import FIRST_COUNTER, LAST_COUNTER, Body, CounterForm, RequestTemplate
from bench.subjects.servers import linear_model
from bench.workloads import (
    LINEAR_DIMENSION,
    LinearModel,
    Workload,
    fit_linear_model,
    json_template,
    noop_array_around_hole,
    right_answer,
    wrap,
)


@pytest.fixture(scope="module")
def model() -> LinearModel:
    return fit_linear_model()


def test_noop_body_is_json_whose_first_number_is_the_answer(model: LinearModel) -> None:
    template = json_template("/noop", wrap(noop_array_around_hole(), b'{"input":', b"}"))
    for counter in (FIRST_COUNTER, FIRST_COUNTER + 7, LAST_COUNTER):
        numbers = json.loads(template.body(counter))["input"]
        assert len(numbers) == 4
        assert numbers[0] == right_answer(Workload.NOOP, counter, model)


def test_linear_answer_is_the_models_for_every_counter(model: LinearModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model.npz")
    served = linear_model.load(str(tmp_path / "model.npz"))
    template = json_template("/linear", wrap(model.array_around_hole(), b'{"input":', b"}"))
    for counter in [*range(FIRST_COUNTER, FIRST_COUNTER + 40), *range(LAST_COUNTER - 40, LAST_COUNTER)]:
        numbers = json.loads(template.body(counter))["input"]
        assert len(numbers) == LINEAR_DIMENSION
        assert served.predict(np.array([numbers]))[0] == right_answer(Workload.LINEAR, counter, model)


def test_linear_inputs_have_more_than_one_answer(model: LinearModel) -> None:
    assert len(set(model.classes)) > 2


def test_binary_body_holds_the_same_input_as_the_json_body(model: LinearModel) -> None:
    binary = RequestTemplate("/b", (), tuple(model.bytes_around_hole()), CounterForm.DOUBLE)
    text = json_template("/linear", wrap(model.array_around_hole(), b'{"input":', b"}"))
    for counter in range(FIRST_COUNTER, FIRST_COUNTER + 20):
        np.testing.assert_allclose(np.frombuffer(binary.body(counter)), json.loads(text.body(counter))["input"])


def test_bodies_of_different_counters_differ() -> None:
    template = json_template("/noop", wrap(noop_array_around_hole(), b"", b""))
    assert len({template.body(counter) for counter in range(FIRST_COUNTER, FIRST_COUNTER + 100)}) == 100


def test_written_template_can_be_cut_by_its_own_index(tmp_path: Path) -> None:
    bodies = (Body(b"a", b"bcd"), Body(b"", b"\n\0x"))
    file = tmp_path / "requests"
    RequestTemplate("/p", (("X-A", "1"),), bodies, CounterForm.DOUBLE).write(file, 80)
    content = file.read_bytes()
    first, second, third, rest = content.split(b"\n", 3)
    assert first == b"double 2"
    position = 0
    for sizes, body in ((second, bodies[0]), (third, bodies[1])):
        before, after = (int(size) for size in sizes.split())
        head = rest[position : position + before]
        assert head.startswith(b"POST /p HTTP/1.1\r\nHost: 127.0.0.1:80\r\nX-A: 1\r\n")
        length = len(body.before) + 8 + len(body.after)
        assert head.endswith(b"Content-Length: %d\r\n\r\n" % length + body.before)
        assert rest[position + before : position + before + after] == body.after
        position += before + after
    assert position == len(rest)


def test_double_in_the_hole_is_the_counter_as_a_fraction() -> None:
    template = RequestTemplate("/p", (), (Body(b"", b""),), CounterForm.DOUBLE)
    assert struct.unpack("<d", template.hole(12_345_678)) == (12_345_678 * 1e-8,)
