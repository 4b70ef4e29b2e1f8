"""The query port over TLS: the compiled HTTP protocol on uvloop's SSL transport, with real sockets."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipper.security.certificates import ServerCertificate, listen_options, trusting
from tests.support.certificates import CertificateFiles, write_certificate
from tests.support.http_mocks import defer
from tests.support.http_responses import get, parse_responses, post
from tests.support.http_server_thread import (
    SOCKET_TIMEOUT_S,
    ServerThread,
    read_all,
    read_responses_bytes,
    serving,
)

pytestmark = pytest.mark.timeout(60)
SHORT_LIMIT_US = 1_000_000  # waited out by tests; a handshake ends within it on a busy machine, too


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    return write_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def server(files: CertificateFiles) -> Iterator[ServerThread]:
    with serving(listen=options(files)) as thread:
        yield thread


def options(files: CertificateFiles, **changes: float) -> dict[str, object]:
    certificate = ServerCertificate(files.certificate, files.key)
    return {**listen_options(certificate, linger_limit_us=SHORT_LIMIT_US), **changes}


def connect(server: ServerThread, files: CertificateFiles, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", server.port), SOCKET_TIMEOUT_S)
    try:
        return (context or trusting(files.certificate)).wrap_socket(plain, server_hostname="localhost")
    except BaseException:
        plain.close()
        raise


def test_many_requests_on_one_connection_are_answered_in_order(server: ServerThread, files: CertificateFiles) -> None:
    with connect(server, files) as client:
        for count in range(20):
            client.sendall(post(b"x" * count))
            (response,) = parse_responses(read_responses_bytes(client, 1))
            assert response.status == 200 and response.json["bytes"] == count


def test_pipelined_requests_are_all_answered_in_order(server: ServerThread, files: CertificateFiles) -> None:
    count = 1_000
    with connect(server, files) as client:
        client.sendall(b"".join(post(b"y" * (number % 7)) for number in range(count)))
        responses = parse_responses(read_responses_bytes(client, count))
    assert [response.json["bytes"] for response in responses] == [number % 7 for number in range(count)]


def test_request_is_understood_wherever_its_records_end(server: ServerThread, files: CertificateFiles) -> None:
    with connect(server, files) as client:
        for byte in post(b"abc"):
            client.sendall(bytes([byte]))  # each is a record of its own
        (response,) = parse_responses(read_responses_bytes(client, 1))
    assert response.json["bytes"] == 3


def test_bodies_of_many_records_pass_both_ways(server: ServerThread, files: CertificateFiles) -> None:
    body_bytes = 8 << 20
    with connect(server, files) as client:
        client.sendall(post(b"\1" * body_bytes) + get(b"/large?%d" % body_bytes))
        uploaded, downloaded = parse_responses(read_responses_bytes(client, 2))
    assert uploaded.json["sum"] == body_bytes
    assert downloaded.body == b"x" * body_bytes


def test_refused_client_that_still_sends_gets_to_see_the_answer(files: CertificateFiles) -> None:
    with serving(listen=options(files), max_body_bytes=1_000) as server, connect(server, files) as client:
        client.sendall(b"POST /app/predict HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n" + b"z" * 50_000)
        (response,) = parse_responses(read_all(client))
    assert response.status == 413


def test_version_below_1_2_is_refused(server: ServerThread, files: CertificateFiles) -> None:
    context = trusting(files.certificate)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        connect(server, files, context)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda v: str(v.name))
@pytest.mark.parametrize(("offered", "agreed"), [(["h2", "http/1.1"], "http/1.1"), ([], None)])
def test_only_http_1_1_is_agreed_on(
    server: ServerThread, files: CertificateFiles, version: ssl.TLSVersion, offered: list[str], agreed: str | None
) -> None:
    context = trusting(files.certificate)
    context.minimum_version = context.maximum_version = version
    if offered:
        context.set_alpn_protocols(offered)
    with connect(server, files, context) as client:
        client.sendall(get(b"/metrics"))
        assert client.selected_alpn_protocol() == agreed
        (response,) = parse_responses(read_responses_bytes(client, 1))
    assert response.status == 200


def test_client_without_tls_is_dropped_and_the_others_are_served(server: ServerThread, files: CertificateFiles) -> None:
    with server.connect() as plain:
        plain.sendall(get(b"/metrics"))
        assert b"HTTP" not in read_all(plain)
    with connect(server, files) as client:
        client.sendall(get(b"/metrics"))
        assert read_responses_bytes(client, 1)


def test_handshake_that_does_not_come_is_cut_off_at_its_limit(files: CertificateFiles) -> None:
    listen = options(files, ssl_handshake_timeout=SHORT_LIMIT_US / 1e6)
    with serving(listen=listen) as server:
        with server.connect() as silent, server.connect() as halfway:
            halfway.sendall(b"\x16\x03\x01\x02\x00")  # the head of a record whose 512 bytes never come
            assert read_all(silent) == read_all(halfway) == b""
        with connect(server, files) as client:
            client.sendall(get(b"/metrics"))
            assert read_responses_bytes(client, 1)


def test_connection_that_the_server_ends_is_gone_even_if_the_client_says_no_goodbye(files: CertificateFiles) -> None:
    with serving(listen=options(files)) as server, connect(server, files) as client:
        client.sendall(get(b"/metrics", b"Connection: close"))
        assert read_responses_bytes(client, 1)
        server.wait_until(lambda: server.server.open_connections == 0)


def test_client_that_ends_its_side_before_the_answer_disturbs_nobody(
    files: CertificateFiles, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(defer, listen=options(files)) as server:
        with connect(server, files) as client:
            client.sendall(post())
            server.wait_until(lambda: len(server.handler.waiting) == 1)
            client.unwrap().close()
            server.wait_until(lambda: server.server.open_connections == 0)
        server.answer(server.handler.waiting[0])
    assert caplog.records == []


def test_vanishing_client_leaves_nothing_behind(files: CertificateFiles) -> None:
    with serving(defer, listen=options(files)) as server:
        with connect(server, files) as client:
            client.sendall(post() * 3)
            server.wait_until(lambda: len(server.handler.waiting) == 3)
        server.wait_until(lambda: server.server.open_connections == 0)
        assert server.call(lambda: server.server.open_requests) == 0


def test_idle_connection_is_closed(files: CertificateFiles) -> None:
    with serving(listen=options(files), idle_timeout_us=SHORT_LIMIT_US) as server, connect(server, files) as client:
        assert read_all(client) == b""


def test_drain_answers_what_is_in_flight(files: CertificateFiles) -> None:
    with serving(defer, listen=options(files)) as server, connect(server, files) as client:
        client.sendall(post())
        server.wait_until(lambda: len(server.handler.waiting) == 1)
        server.call(server.server.begin_drain)
        server.answer(server.handler.waiting[0], b"[1]")
        (response,) = parse_responses(read_all(client))
        assert json.loads(response.body) == [1] and response.headers["connection"] == "close"


def test_renewed_certificate_is_used_for_new_connections_while_old_ones_go_on(tmp_path: Path) -> None:
    old = write_certificate(tmp_path, valid_days=(-1, 1))
    certificate = ServerCertificate(old.certificate, old.key)
    with serving(listen=listen_options(certificate, SHORT_LIMIT_US)) as server, connect(server, old) as before:
        serial = before.getpeercert()["serialNumber"]  # type: ignore[index]
        renewed = write_certificate(tmp_path, valid_days=(-1, 2))
        assert server.call(certificate.refresh)
        with connect(server, renewed) as after:
            assert after.getpeercert()["serialNumber"] != serial  # type: ignore[index]
        before.sendall(get(b"/metrics"))
        assert read_responses_bytes(before, 1)
