"""What a client of the management port may use up: each limit at its edge, and what is answered beyond it."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import tarfile
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.support.management_server import ManagementInThread, client_of, management_server
from tests.support.processes import wait_until

HEAD_BYTES, REQUEST_BYTES, UPLOAD_BYTES, FILES, CONNECTIONS = 1024, 4096, 64 * 1024, 3, 8
SHORT_LIMIT_US = 300_000
ANSWER_LIMIT_S = 10


@pytest.fixture(scope="module")
def management(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagementInThread]:
    with management_server(
        tmp_path_factory.mktemp("limits") / "run",
        max_head_bytes=HEAD_BYTES,
        max_request_bytes=REQUEST_BYTES,
        max_upload_bytes=UPLOAD_BYTES,
        max_upload_files=FILES,
        max_connections=CONNECTIONS,
        head_limit_us=SHORT_LIMIT_US,
        body_limit_us=SHORT_LIMIT_US,
        idle_limit_us=SHORT_LIMIT_US,
    ) as server:
        yield server


@pytest.fixture
def client(management: ManagementInThread) -> Iterator[httpx.Client]:
    # Of the test before: its connections count.
    wait_until(lambda: not management.call(lambda: list(management.server.server_state.connections)))
    with client_of(management) as client:
        yield client


@contextlib.contextmanager
def connected(management: ManagementInThread) -> Iterator[socket.socket]:
    with socket.create_connection(
        ("127.0.0.1", management.config.listen.management_port), timeout=ANSWER_LIMIT_S
    ) as raw:
        yield raw


def answer_of(raw: socket.socket) -> tuple[int, dict[str, str]]:
    """Read one answer until the server closes; (0, {}) if it says nothing."""
    data = b""
    while chunk := raw.recv(65536):
        data += chunk
    if not data:
        return 0, {}
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def request_head(size_bytes: int) -> bytes:
    """Return the head of a request with exactly so many bytes."""
    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nFiller: %s\r\n\r\n"
    return head % (b"x" * (size_bytes - len(head) + len(b"%s")))


def application(name: str, size_bytes: int) -> bytes:
    """Return a registration with exactly so many bytes."""
    values = {"name": name, "input_type": "strings", "default_output": "", "latency_slo_us": 1000}
    return json.dumps({**values, "default_output": "x" * (size_bytes - len(json.dumps(values)))}).encode()


def tar_of(sizes: dict[str, int]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, size_bytes in sizes.items():
            info = tarfile.TarInfo(name)
            info.size = size_bytes
            tar.addfile(info, io.BytesIO(b"x" * size_bytes))
    return file.getvalue()


def test_head_of_exactly_the_limit_is_read_and_one_byte_more_is_refused(management: ManagementInThread) -> None:
    with connected(management) as raw:
        raw.sendall(request_head(HEAD_BYTES))
        assert answer_of(raw) == (200, {"status": "ok"})
    with connected(management) as raw:
        raw.sendall(request_head(HEAD_BYTES + 1))
        status, document = answer_of(raw)
    assert (status, document["error"]) == (431, "headers_too_large")
    assert "max_head_bytes" in document["hint"]


def test_head_without_end_is_refused_before_it_ends(management: ManagementInThread) -> None:
    with connected(management) as raw:
        raw.sendall(request_head(4 * HEAD_BYTES)[: 2 * HEAD_BYTES])
        assert answer_of(raw)[0] == 431


def test_body_of_exactly_the_limit_is_read_and_one_byte_more_is_refused(client: httpx.Client) -> None:
    headers = {"Content-Type": "application/json"}
    fits = client.post("/api/v1/applications", content=application("fits", REQUEST_BYTES), headers=headers)
    assert fits.status_code == 201
    for content in (application("big", REQUEST_BYTES + 1), iter([application("big", REQUEST_BYTES + 1)])):
        big = client.post("/api/v1/applications", content=content, headers=headers)
        assert (big.status_code, big.json()["error"]) == (413, "payload_too_large")
        assert "max_request_bytes" in big.json()["hint"]
    assert client.get("/api/v1/applications/big").status_code == 404


def test_client_that_sends_far_too_much_still_reads_why(client: httpx.Client) -> None:
    answer = client.post("/api/v1/applications", content=b"x" * 3_000_000)
    assert answer.status_code == 413


def test_upload_of_exactly_the_limit_is_taken_and_one_byte_more_is_refused(client: httpx.Client) -> None:
    tar = tar_of({"a": UPLOAD_BYTES - 10 * 1024})
    tar += b"\0" * (UPLOAD_BYTES - len(tar))
    assert client.post("/api/v1/files", content=tar).status_code == 201
    for content in (tar + b"\0", iter([tar, b"\0"])):
        answer = client.post("/api/v1/files", content=content, headers={"Content-Type": "application/x-tar"})
        assert (answer.status_code, answer.json()["error"]) == (413, "payload_too_large")
        assert "max_upload_bytes" in answer.json()["hint"]


def test_upload_of_as_many_files_as_allowed_is_taken_and_one_more_is_refused(client: httpx.Client) -> None:
    assert client.post("/api/v1/files", content=tar_of(dict.fromkeys("abc", 1))).status_code == 201
    answer = client.post("/api/v1/files", content=tar_of(dict.fromkeys("abcd", 1)))
    assert (answer.status_code, answer.json()["hint"]) == (413, "the limit is max_upload_files")


def test_client_that_connects_and_asks_nothing_is_cut_off(management: ManagementInThread) -> None:
    with connected(management) as raw:
        assert answer_of(raw) == (0, {})


def test_slow_head_is_answered_408(management: ManagementInThread) -> None:
    begin_s = time.monotonic()
    with connected(management) as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHos")
        status, document = answer_of(raw)
    assert (status, document["error"]) == (408, "request_timeout")
    assert "head_limit_us" in document["hint"]
    assert time.monotonic() - begin_s >= SHORT_LIMIT_US / 1e6


@pytest.mark.parametrize("path", ["/api/v1/applications", "/api/v1/files", "/admin/add_app"])
def test_slow_body_is_answered_408(management: ManagementInThread, path: str) -> None:
    with connected(management) as raw:
        raw.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{{".encode())
        status, document = answer_of(raw)
    assert (status, document["error"]) == (408, "request_timeout")
    assert "body_limit_us" in document["hint"]
    assert list(management.config.staging_dir.glob(".part-*")) == []


def test_idle_connection_is_closed(management: ManagementInThread) -> None:
    with connected(management) as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer_of(raw) == (200, {"status": "ok"})  # and then the end


def test_connections_up_to_the_limit_are_served_and_one_more_is_told_why(
    management: ManagementInThread, client: httpx.Client
) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS - 1):
            stack.enter_context(connected(management))
        assert client.get("/healthz").status_code == 200
        with connected(management) as raw:
            status, document = answer_of(raw)
    assert (status, document["error"]) == (503, "overloaded")
    assert "max_connections" in document["hint"]


def test_garbage_is_answered_400_as_json(management: ManagementInThread) -> None:
    for garbage in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"HELLO\r\n\r\n", b"GET http:// HTTP/9.9\r\n\r\n"):
        with connected(management) as raw:
            raw.sendall(garbage)
            status, document = answer_of(raw)
        assert (status, document["error"]) == (400, "bad_request")


def test_client_that_takes_nothing_of_its_answer_is_cut_off(tmp_path_factory: pytest.TempPathFactory) -> None:
    with management_server(tmp_path_factory.mktemp("stalled") / "run", write_limit_us=SHORT_LIMIT_US) as management:
        with client_of(management) as client:
            value = "x" * 60_000
            for number in range(30):
                body = {"name": f"a{number}", "input_type": "strings", "default_output": value, "latency_slo_us": 1000}
                client.post("/api/v1/applications", json=body).raise_for_status()
        with socket.socket() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.connect(("127.0.0.1", management.config.listen.management_port))
            raw.sendall(b"GET /api/v1/applications HTTP/1.1\r\nHost: localhost\r\n\r\n" * 8)
            # Only the server's view tells: what it wrote stays readable here.
            wait_until(lambda: management.call(lambda: len(management.server.server_state.connections)) == 1)
            wait_until(lambda: not management.call(lambda: list(management.server.server_state.connections)))
