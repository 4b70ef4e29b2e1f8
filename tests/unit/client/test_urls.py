"""URLs as a caller writes them, and as a server tells them."""

from __future__ import annotations

import pytest

from clipper import Clipper
from clipper.client.urls import check_url, local_url, reachable_query_url
from clipper.errors import InvalidArgumentError, UnavailableError
from tests.support.canned_server import Answer, canned_server


@pytest.mark.parametrize(
    ("told", "management", "reached"),
    [
        ("http://127.0.0.1:1337", "http://127.0.0.1:1338", "http://127.0.0.1:1337"),
        ("http://127.0.0.1:1337", "http://localhost:1338", "http://127.0.0.1:1337"),
        ("http://0.0.0.0:1337", "http://box:1338", "http://box:1337"),
        ("http://[::]:1337", "http://[fe80::1]:1338", "http://[fe80::1]:1337"),
        ("http://127.0.0.1:1337", "http://10.0.0.7:1338", "http://10.0.0.7:1337"),
        ("https://serving.example:443", "https://10.0.0.7:1338", "https://serving.example:443"),
    ],
)
def test_query_port_is_reached_by_the_host_that_management_was(told: str, management: str, reached: str) -> None:
    assert reachable_query_url(told, management) == reached


@pytest.mark.parametrize("url", ["localhost:1338", "ftp://x", "http://", "http://host:port", "http://h:99999", "", 7])
def test_what_is_no_url_is_refused_with_an_example(url: object) -> None:
    with pytest.raises(InvalidArgumentError, match="management_url"):
        check_url("management_url", url)


def test_password_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidArgumentError, match="password") as caught:
        check_url("management_url", "http://me:hunter2@host:1")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("answer", [(404, "application/json", b"{}"), (200, "application/json", b"[]"), None])
def test_port_that_is_not_managements_is_told_as_such(answer: Answer | None) -> None:
    refused = pytest.raises(UnavailableError, match="does not answer as Clipper's management does")
    with canned_server({} if answer is None else {"/api/v1/status": answer}) as server, refused:
        Clipper.connect(server.url)


def test_address_that_means_every_address_is_the_loopbacks_here() -> None:
    assert local_url("http://0.0.0.0:80") == "http://127.0.0.1:80"
    assert local_url("http://[::]:80") == "http://[::1]:80"
    assert local_url("http://10.0.0.1:80") == "http://10.0.0.1:80"
