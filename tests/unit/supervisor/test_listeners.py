"""Listening sockets: bound or refused with the port and what to do."""

from __future__ import annotations

import socket

import pytest

from clipper.config import ListenConfig
from clipper.errors import StartError
from clipper.supervisor.listeners import address_of, open_listeners


def test_port_zero_becomes_a_free_port_that_accepts() -> None:
    listeners = open_listeners(ListenConfig(query_port=0, management_port=0))
    with listeners.query, listeners.management:
        for listener in (listeners.query, listeners.management):
            socket.create_connection(address_of(listener), timeout=5).close()


@pytest.mark.parametrize("taken", ["query_port", "management_port"])
def test_taken_port_is_an_error_that_names_it_and_leaves_nothing_open(taken: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = address_of(holder)[1]
        ports = {"query_port": 0, "management_port": 0, taken: port}
        config = ListenConfig(query_port=ports["query_port"], management_port=ports["management_port"])
        with pytest.raises(StartError, match=rf"port {port} .*taken") as caught:
            open_listeners(config)
        assert taken in caught.value.hint
