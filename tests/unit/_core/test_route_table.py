"""The route table as a value: what it refuses, what it finds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper._core.route_table import Route, RouteTable


def target(method: bytes, query: bytes) -> tuple[int, bytes, bytes]:
    return 200, b"text/plain", b""


def test_route_knows_its_allow_header() -> None:
    assert Route("a", None, is_predict=True).allow == b"POST, OPTIONS"
    assert Route("a", target).allow == b"GET, HEAD, OPTIONS"
    assert Route("a", target, methods=[b"GET", b"POST"]).allow == b"GET, HEAD, POST, OPTIONS"


def test_route_with_a_target_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="callable"):
        Route("a", None)


def test_route_with_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match="PUT"):
        Route("a", target, methods=[b"PUT"])


def test_predict_route_with_get_is_refused() -> None:
    with pytest.raises(ValueError, match="POST"):
        Route("a", None, is_predict=True, methods=[b"GET"])


def test_route_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Route("a", target).name = "b"


def test_table_with_one_path_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        RouteTable([(b"/a", Route("a", target)), (b"/a/", Route("b", target))])


def test_table_with_a_relative_path_is_refused() -> None:
    with pytest.raises(ValueError, match="start"):
        RouteTable([(b"a", Route("a", target))])


def test_path_with_encoded_slash_belongs_to_the_name() -> None:
    route = Route("a", target)
    table = RouteTable([(b"/a/b/predict", route)])
    assert table.lookup(b"/a%2Fb/predict") is route
    assert table.lookup(b"/a/b/predict%2F") is None


def test_root_is_found() -> None:
    route = Route("root", target)
    table = RouteTable([(b"/", route)])
    assert table.lookup(b"/") is route
    assert table.lookup(b"/?x") is route
    assert table.lookup(b"http://host") is route
    assert len(table) == 1


@given(st.binary())
def test_lookup_of_any_bytes_never_raises(url: bytes) -> None:
    assert RouteTable([(b"/a", Route("a", target))]).lookup(b"/\x00" + url) is None
    RouteTable([(b"/a", Route("a", target))]).lookup(url)
