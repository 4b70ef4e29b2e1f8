"""Feedback that is refused for what its body says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.data_path import DataPath, application, data_path, model
from tests.support.feedback_path import LEARNING, observations, outcomes, refused
from tests.support.http_responses import get


@pytest.fixture
def path() -> Iterator[DataPath]:
    with data_path() as serving:
        serving.apply([application(learning=LEARNING)], [model()])
        yield serving


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "json_error"),
        (b"{", "json_error"),
        (b"[1]", "wrong_type"),
        (b'{"query_id":1,"label":NaN}', "json_error"),
        (b'{"query_id":1,"label":-Infinity}', "json_error"),
        (b'{"query_id":1,"label":[1e999]}', "out_of_range"),
        (b'{"query_id":1,"label":' + b"9" * 5_000 + b"}", "out_of_range"),
        (b'{"query_id":1,"label":null}', "wrong_type"),
        (b'{"query_id":1,"label":"' + b"x" * 65_535 + b'"}', "too_long"),
        (b'{"query_id":1,"label":' + b"[" * 300 + b"]" * 300 + b"}", "too_deep"),
        (b'{"query_id":1,"label":"\xff"}', "bad_encoding"),
        (b'{"query_id":1,"label":["\\ud800"]}', "bad_encoding"),
        (b'{"query_id":1,"label":{"\\udc00":1}}', "bad_encoding"),
        (b'{"query_id":1,"reward":1.5}', "out_of_range"),
        (b'{"query_id":1,"reward":-0.1}', "out_of_range"),
        (b'{"query_id":1,"reward":"1"}', "wrong_type"),
        (b'{"query_id":1,"reward":true}', "wrong_type"),
        (b'{"query_id":1}', "missing_feedback"),
        (b'{"label":1}', "missing_query"),
        (b'{"query_id":1,"label":1,"reward":1}', "ambiguous_feedback"),
        (b'{"query_id":1,"input":[1],"label":1}', "ambiguous_query"),
        (b'{"input":[1],"reward":1}', "label_required"),
        (b'{"input_batch":[[1]],"label":1}', "no_batch_form"),
        (b'{"query_id":1,"query_id":1,"label":1}', "duplicate_key"),
        (b'{"query_id":1.0,"label":1}', "wrong_type"),
        (b'{"query_id":"1","label":1}', "wrong_type"),
        (b'{"query_id":-1,"label":1}', "out_of_range"),
        (b'{"query_id":9007199254740992,"label":1}', "out_of_range"),
        (b'{"input":"text","label":1}', "wrong_type"),
        (b'{"input":[1],"label":1,"context":[]}', "wrong_type"),
    ],
)
def test_bad_feedback_is_refused_with_its_cause(path: DataPath, body: bytes, code: str) -> None:
    assert refused(path.update(body), 400, code)
    assert outcomes(path) == {"bad_request": 1}
    assert observations(path) == []


def test_label_of_the_longest_kind_is_accepted(path: DataPath) -> None:
    path.serving(lambda inputs: [0] * len(inputs))
    query_id = path.ask({"input": [1.0]}).json["query_id"]
    assert path.update({"query_id": query_id, "label": "x" * 65_534}).status == 200


def test_update_path_takes_post_with_a_body_alone(path: DataPath) -> None:
    with path.send(get(b"/app/update", b"Connection: close")).client as client:
        assert client.recv(4096).startswith(b"HTTP/1.1 405 ")
    bare = path.send(b"POST /app/update HTTP/1.1\r\nHost: x\r\n\r\n").response()
    assert (bare.status, bare.json["error"]) == (411, "length_required")
