"""Echoes each message: `python -m bench.subjects.servers.zeromq_server PORT`."""

from __future__ import annotations

import sys

import zmq


def main() -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.bind(f"tcp://127.0.0.1:{sys.argv[1]}")
        receive, send = socket.recv_multipart, socket.send_multipart
        while True:
            send(receive())


if __name__ == "__main__":
    main()
