"""Targets: URLs, the bodies that each kind of server wants, and the texts of right answers."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper.bench.answer_check import DEFAULT_TEXT
from clipper.bench.answer_texts import MAX_TEXT_BYTES, json_texts, member_texts
from clipper.bench.body_forms import BodyForm, choose_form
from clipper.bench.oip import HEADER_LENGTH, Tensor
from clipper.bench.request_file import checks_file, requests_file
from clipper.bench.request_template import FIRST_COUNTER
from clipper.bench.targets import (
    MAX_GROUPS,
    AnswerCheck,
    CounterForm,
    RequestTemplate,
    Target,
    join_targets,
    parse_target,
)
from clipper.bench.url import split_url
from clipper.errors import InvalidArgumentError

URL = "http://127.0.0.1:1337/app/predict"
OIP_URL = "http://triton:8000/v2/models/m/infer"


def body_of(target: Target, number: int = 0, counter: int = FIRST_COUNTER) -> bytes:
    return target.requests[number].body(counter)


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("http://a", "a", 80, "/"),
        ("a:81/x?y=z", "a", 81, "/x?y=z"),
        ("http://[::1]:82/p", "::1", 82, "/p"),
        ("HTTP://Host.Example:1", "host.example", 1, "/"),
    ],
)
def test_url_is_taken_apart(url: str, host: str, port: int, path: str) -> None:
    assert split_url(url) == (host, port, path)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://a/x", "HTTPS"),
        ("ftp://a", "'ftp'"),
        ("http://", "no host"),
        ("http://a:0", "no host and port"),
        ("http://a:99999", "not a URL"),
        ("http://u:p@a/", "holds a user"),
        ("http://[::1", "not a URL"),
    ],
)
def test_url_that_cannot_be_reached_is_refused_with_what_was_expected(url: str, said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        split_url(url)


def test_authority_leaves_the_usual_port_out_and_brackets_ipv6() -> None:
    requests = (RequestTemplate("/"),)
    urls = ("http://a:80/", "http://a:81/", "http://[::1]/")
    assert [Target(url, requests).authority for url in urls] == ["a", "a:81", "[::1]"]


@pytest.mark.parametrize(
    ("path", "inputs", "form"),
    [
        ("/app/predict", [[1]], BodyForm.CLIPPER),
        ("/v2/models/m/infer", [{}], BodyForm.OIP),
        ("/prefix/v2/models/m/versions/3/infer?x=1", [{}], BodyForm.OIP),
        ("/predict", ["{}"], BodyForm.JSON),
        ("/predict", [b"\0"], BodyForm.BINARY),
        ("/v2/models/m/infer", [], BodyForm.GET),
    ],
)
def test_form_is_chosen_by_the_path_and_the_inputs(path: str, inputs: list[Any], form: BodyForm) -> None:
    assert choose_form(path, inputs) is form


def test_clipper_target_wraps_inputs_and_knows_default_outputs() -> None:
    target = parse_target(URL, inputs=[[1, 2.5], "[{counter},2]"], answers=[7, [1.5]])
    assert json.loads(body_of(target)) == {"input": [1, 2.5]}
    assert body_of(target, 1) == b'{"input":[10000000,2]}'
    assert target.requests[0].counter is CounterForm.NONE and target.requests[1].counter is CounterForm.DIGITS
    assert target.requests[0].accept == (b'"output":7,', b'"output":7}', b'"output":7.0,', b'"output":7.0}')
    assert target.check.default_text == DEFAULT_TEXT and target.check.is_json


def test_clipper_target_sends_bytes_as_octets() -> None:
    target = parse_target(URL, inputs=[struct.pack("<2d", 1, 2)])
    assert body_of(target) == struct.pack("<2d", 1, 2)
    assert target.requests[0].headers == (("Content-Type", "application/octet-stream"),)


def test_json_target_sends_the_body_as_it_is_and_the_users_headers_win() -> None:
    target = parse_target(
        "http://a/x", inputs=['{"a": 1}'], answers=['"b":2'], headers=(("content-type", "text/x"), ("X-Key", "k"))
    )
    assert body_of(target) == b'{"a": 1}'
    assert target.requests[0].headers == (("content-type", "text/x"), ("X-Key", "k"))
    assert target.requests[0].accept == (b'"b":2',)


def test_open_inference_json_describes_its_tensors() -> None:
    inputs = {"x": np.array([[1, 2]], np.float32), "s": np.array(["a"])}
    target = parse_target(OIP_URL, inputs=[inputs], answers=[{"y": [0.1]}])
    assert json.loads(body_of(target)) == {
        "inputs": [
            {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1.0, 2.0]},
            {"name": "s", "shape": [1], "datatype": "BYTES", "data": ["a"]},
        ]
    }
    assert set(target.requests[0].accept) == {b'"data":[0.1]', b'"data":[0.10000000149011612]'}


def test_open_inference_binary_puts_the_data_after_its_head() -> None:
    x = np.array([[1.5, 2.5]], np.float32)
    target = parse_target(OIP_URL, form="oip-binary", inputs=[{"x": x, "s": np.array(["ab"])}], answers=[x])
    headers = dict(target.requests[0].headers)
    body = body_of(target)
    head = json.loads(body[: int(headers[HEADER_LENGTH])])
    assert head["inputs"][0] == {
        "name": "x",
        "shape": [1, 2],
        "datatype": "FP32",
        "parameters": {"binary_data_size": 8},
    }
    assert head["parameters"] == {"binary_data_output": True}
    assert body[int(headers[HEADER_LENGTH]) :] == x.tobytes() + struct.pack("<I", 2) + b"ab"
    assert target.requests[0].accept == (x.tobytes(),)


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        ("bool", "BOOL"),
        ("uint8", "UINT8"),
        ("int64", "INT64"),
        ("float16", "FP16"),
        ("float64", "FP64"),
        ("S2", "BYTES"),
    ],
)
def test_tensor_has_the_protocols_name_of_its_type(dtype: str, name: str) -> None:
    assert Tensor.of("t", np.zeros(1, dtype)).datatype == name


@pytest.mark.parametrize("values", [np.zeros(1, "complex64"), [[1], [1, 2]], [object()]])
def test_tensor_of_another_type_is_refused(values: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="tensor 't'"):
        Tensor.of("t", values)


@pytest.mark.parametrize(
    ("url", "form", "value"),
    [
        (URL, "auto", [1, 2]),
        (URL, "auto", '"text"'),
        (URL, "auto", "[1, 2]"),
        (URL, "auto", '["{counter}"]'),
        (URL, "auto", np.zeros(3)),
        ("http://a/x", "json", {"instances": [{"name": "n", "v": 3}]}),
        (OIP_URL, "oip", {"x": np.zeros((1, 2), np.int64)}),
        (OIP_URL, "oip-binary", {"x": np.zeros((1, 2), np.float32), "y": np.zeros(2)}),
        ("http://a/x", "binary", np.zeros(2, np.float32)),
    ],
)
def test_unique_inputs_differ_in_each_request_and_keep_their_length(url: str, form: str, value: Any) -> None:
    plain, unique = (parse_target(url, form=form, inputs=[value], is_unique=is_unique) for is_unique in (False, True))
    bodies = {body_of(unique, counter=FIRST_COUNTER + number) for number in range(50)}
    assert len(bodies) == 50 and len({len(body) for body in bodies}) == 1
    if unique.requests[0].headers[0][1] == "application/json":
        assert all(json.loads(body) for body in bodies)
    else:
        assert {len(body) for body in bodies} == {len(body_of(plain))}
    if form.startswith("oip"):
        assert all(b'"shape":[1,2]' in body for body in bodies)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"inputs": [[1]], "form": "xml"}, "no form 'xml'"),
        ({"inputs": [[1]], "answers": []}, "0 answers to 1 inputs"),
        ({"inputs": [], "form": "json"}, "nothing to send"),
        ({"inputs": ["[{counter},{counter}]"]}, "2 times"),
        ({"inputs": [float("nan")]}, "cannot be written as JSON"),
        ({"inputs": [None], "is_unique": True}, "no number and no string"),
        ({"inputs": ["[1"]}, "is not JSON"),
        ({"inputs": [b"1"], "form": "json", "is_unique": True}, "expected a value"),
        ({"inputs": [b"x"], "is_unique": True}, "expected an array"),
        ({"inputs": [np.zeros(2, np.int8)], "is_unique": True}, "expected float32 or float64"),
        ({"inputs": ["x"], "form": "binary"}, "expected bytes or an array"),
        ({"inputs": [[1]], "form": "oip"}, "expected arrays by tensor name"),
        ({"inputs": ["1"], "form": "json", "answers": [1]}, "expected text that is in the answer"),
        ({"inputs": [[1]], "method": "GE T"}, "method 'GE T'"),
        ({"inputs": [[1]], "method": "HEAD"}, "method 'HEAD'"),
        ({"inputs": [[1]], "headers": (("Host", "x"),)}, "set by the load client"),
        ({"inputs": [[1]], "headers": (("A", "x\r\nB: y"),)}, "cannot be sent"),
        ({"inputs": [[1]], "statuses": ()}, "no status"),
        ({"inputs": [[1]], "statuses": (99,)}, "99 is no status"),
        ({"inputs": [[1]], "statuses": (503,)}, "both an answer and a refusal"),
        ({"inputs": [[1]], "answers": [object()]}, "what JSON can write"),
        ({"inputs": [[1]], "answers": ["x" * (MAX_TEXT_BYTES + 1)]}, "bytes long"),
    ],
)
def test_what_is_no_target_is_refused_with_what_was_expected(more: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        parse_target(URL, **more)


def test_targets_are_joined_in_turn_and_keep_their_groups() -> None:
    first = parse_target(URL, inputs=[[1]], group="a")
    second = parse_target("http://127.0.0.1:1337/b/predict", inputs=[[2], [3]], group="b")
    joined = join_targets([first, second])
    assert [json.loads(one.body(0))["input"] for one in joined.requests] == [[1], [2], [1], [3]]
    assert joined.groups == ("a", "b")


def test_targets_of_two_servers_or_two_checks_cannot_be_joined() -> None:
    first = parse_target(URL, inputs=[[1]])
    with pytest.raises(InvalidArgumentError, match="one server"):
        join_targets([first, parse_target("http://127.0.0.1:1338/b/predict", inputs=[[1]])])
    with pytest.raises(InvalidArgumentError, match="the same check"):
        join_targets([first, parse_target(URL, inputs=[[1]], statuses=(201,))])
    with pytest.raises(InvalidArgumentError, match="no targets"):
        join_targets([])


def test_groups_at_the_limit_are_taken_and_beyond_it_refused() -> None:
    requests = tuple(RequestTemplate("/", group=str(number)) for number in range(MAX_GROUPS + 1))
    assert len(Target("http://a", requests[:-1]).groups) == MAX_GROUPS
    with pytest.raises(InvalidArgumentError, match="65 groups"):
        Target("http://a", requests)


def test_echo_is_refused_where_there_are_no_digits() -> None:
    with pytest.raises(InvalidArgumentError, match="echo the counter"):
        Target("http://a", (RequestTemplate("/"),), AnswerCheck(echoes_counter=True))


@given(st.integers(-(10**12), 10**12))
def test_integer_may_be_written_with_a_point_or_without(number: int) -> None:
    assert {str(number).encode(), f"{number}.0".encode()} <= set(json_texts(number))


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_float_may_be_written_as_the_single_or_as_the_double(number: float) -> None:
    texts = json_texts(number)
    assert repr(number).encode() in texts
    assert all(np.float32(float(text)) == np.float32(number) for text in texts)


def test_strings_may_be_escaped_or_not_and_arrays_are_flat_text() -> None:
    assert set(json_texts("ä")) == {b'"\\u00e4"', '"ä"'.encode()}
    assert json_texts([True, None, {"a": [1]}]) == (b'[true,null,{"a":[1]}]', b'[true,null,{"a":[1.0]}]')
    assert member_texts("n", np.array([2], np.int8))[:2] == (b'"n":[2],', b'"n":[2]}')


bodies = st.binary(max_size=30)
templates = st.builds(
    RequestTemplate,
    path=st.just("/p"),
    before=bodies,
    after=bodies,
    counter=st.sampled_from(CounterForm),
    accept=st.lists(bodies, max_size=2).map(tuple),
    group=st.sampled_from(["", "a", "b"]),
)


@given(st.lists(templates, min_size=1, max_size=5), st.integers(FIRST_COUNTER, FIRST_COUNTER + 10**6))
def test_file_of_requests_can_be_cut_by_its_own_index(requests: list[RequestTemplate], counter: int) -> None:
    target = Target("http://h:81", tuple(requests))
    content = requests_file(target)
    position, sizes = 0, []
    for number in range(len(requests) + 1):
        end = content.index(b"\n", position)
        if number:
            sizes.append(content[position:end].split())
        position = end + 1
    for request, (before, after, form, group) in zip(requests, sizes, strict=True):
        head = content[position : position + int(before)]
        whole = head + request.hole(counter) + content[position + int(before) : position + int(before) + int(after)]
        position += int(before) + int(after)
        assert whole == request.head("h:81") + request.body(counter)
        assert whole.split(b"\r\n\r\n", 1)[0].endswith(b"Content-Length: %d" % len(request.body(counter)))
        assert form.decode() == request.counter and target.groups[int(group)] == request.group
    assert position == len(content)


def test_file_of_checks_holds_texts_with_any_bytes(tmp_path: Path) -> None:
    check = AnswerCheck(statuses=(200, 201), rejected_statuses=(), accept=(b"a\nb",), is_json=True)
    assert checks_file(check, [(), (b"\0 9\n",)]) == (
        b"status -1 3\n200\nstatus -1 3\n201\njson -1 0\n\naccept -1 3\na\nb\naccept 1 4\n\0 9\n\n"
    )
