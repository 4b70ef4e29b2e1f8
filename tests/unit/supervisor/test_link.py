"""The link's framing: whole messages whatever the cuts, and a peer that misbehaves is an error, not a hang."""

from __future__ import annotations

import json
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipper.supervisor.link import MAX_LINE_BYTES, LinkError, SupervisorLink


@settings(max_examples=40, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=5), st.integers()), max_size=5), st.data())
def test_link_returns_the_same_messages_wherever_the_bytes_are_cut(
    messages: list[dict[str, int]], data: st.DataObject
) -> None:
    wire = b"".join(json.dumps(message).encode() + b"\n" for message in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        link = SupervisorLink(ours)
        received = []
        for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
            theirs.sendall(wire[start:end])
            received += link.receive()
        assert received == messages


@pytest.mark.parametrize("line", [b"[1]\n", b"nonsense\n", b"\xff\n"])
def test_link_refuses_a_line_that_is_no_object(line: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(line)
        with pytest.raises(LinkError):
            SupervisorLink(ours).receive()


def test_link_reports_a_peer_that_has_closed() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()
        with pytest.raises(LinkError, match="closed"):
            SupervisorLink(ours).receive()


def test_link_gives_up_on_a_peer_that_does_not_read() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        link = SupervisorLink(ours)

        def send_all() -> None:
            for _ in range(1_000):
                link.send({"event": "x" * 10_000})

        with pytest.raises(LinkError, match="unread"):
            send_all()
        assert link.wants_write


def test_link_gives_up_on_a_line_without_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        link = SupervisorLink(ours)

        def exchange() -> None:
            sent_bytes = 0
            while sent_bytes <= 2 * MAX_LINE_BYTES:
                sent_bytes += theirs.send(b"x" * 65536)
                link.receive()

        with pytest.raises(LinkError, match="exceeds"):
            exchange()
