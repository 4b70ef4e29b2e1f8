"""A stand-in for management that gives its end of the supervisor's link to whoever connects to ``<run_dir>/link.sock``.

It serves /healthz meanwhile, and ends, as if killed, when there is a file ``restart``.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
from pathlib import Path


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--run-dir", type=Path)
    parser.add_argument("--management-fd", type=int)
    parser.add_argument("--supervisor-fd", type=int)
    options = parser.parse_args()
    health = socket.socket(fileno=options.management_fd)
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    hidden = options.run_dir / "link.sock.new"
    hidden.unlink(missing_ok=True)
    door.bind(str(hidden))
    door.listen()
    hidden.rename(options.run_dir / "link.sock")
    restart = options.run_dir / "restart"
    while not restart.exists():
        ready, _, _ = select.select([health, door], [], [], 0.01)
        if door in ready:
            connection, _ = door.accept()
            with connection:
                socket.send_fds(connection, [b"!"], [options.supervisor_fd])
        if health in ready:
            connection, _ = health.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    restart.unlink()
    os._exit(1)


if __name__ == "__main__":
    main()
